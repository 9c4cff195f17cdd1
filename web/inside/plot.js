// One number per layer, as dots on a line.

import { html } from "../app/ui.js";

/** Sizes in units of the picture, which scales with the text. */
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [280, 130, 12, 84, 12, 20];

/** Layers that are named below the plot, at most. */
const NAMED = 8;

/** `points` are {layer, value}; `marks` are values with a line and a name; `own` is the layer with a ring. */
export function Plot({ title, label, points, own, marks }) {
  const reach = Math.max(...points.map(({ value }) => Math.abs(value)), ...marks.map(([value]) => Math.abs(value))) || 1;
  const last = Math.max(1, points.length - 1);
  const x = (index) => LEFT + ((WIDTH - LEFT - RIGHT) * index) / last;
  const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (1 - value / reach)) / 2;
  const line = points.map(({ value }, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const every = Math.ceil(points.length / NAMED);
  return html`
    <div class="plot">
      <p aria-hidden="true">${title}</p>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${label}>
        ${marks.map(
          ([value, name]) => html`
            <line class="mark" x1=${LEFT} x2=${WIDTH - RIGHT} y1=${y(value)} y2=${y(value)} />
            <text x=${WIDTH - RIGHT + 6} y=${y(value) + 4}>${name.length > 12 ? `${name.slice(0, 11)}…` : name}</text>
          `,
        )}
        <polyline points=${line} />
        ${points.map(
          ({ layer, value }, index) => html`
            <circle class="dot" cx=${x(index)} cy=${y(value)} r="3" />
            ${layer === own && html`<circle class="ring" cx=${x(index)} cy=${y(value)} r="6" />`}
            ${index % every === 0 && html`<text class="layer" x=${x(index)} y=${HEIGHT - 4}>${layer}</text>`}
          `,
        )}
      </svg>
    </div>
  `;
}
