// One head as a matrix: a row per query, a column per key.

import { html, useMemo } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { headName } from "./names.js";
import { scaleOf } from "./palette.js";
import { Stage } from "./stage.js";
import { Tiles } from "./tiles.js";

/** Units of a cell, and of the margin for tokens. */
const CELL = 20;
const MARGIN = 110;
/** Pixels of a cell from which its token can be read. */
const READABLE = 9;

export function MatrixView({ attention, patterns, selection }) {
  const say = useSay();
  const { heads, tokens, matrices } = attention;
  const head = Math.max(0, selection.head);
  const { layer, token, threshold } = selection;
  const index = layer * heads + head;
  const side = MARGIN + tokens.length * CELL;
  const names = useMemo(() => tokens.map(({ text }) => clean(text)), [tokens]);
  const draw = useMemo(() => {
    let tiles;
    let colours;
    return (context, { camera, view, palette }) => {
      if (colours !== palette) [colours, tiles] = [palette, new Tiles(attention, scaleOf(palette, threshold))];
      drawMatrix(context, { camera, palette, tiles, index, side });
      drawTokens(context, { camera, view, palette, names, token });
      return false;
    };
  }, [attention, index, threshold, token]);

  const describe = ({ x, y }) => {
    const [key, query] = [x, y].map((unit) => Math.floor((unit - MARGIN) / CELL));
    if (!names[key] || !names[query]) return null;
    return `${names[query]} → ${names[key]} ${matrices[index][query * names.length + key].toFixed(4)}`;
  };
  const label = say("matrix_label", { layer: layer + 1, head: head + 1, tokens: tokens.length });
  return html`
    <h2>${headName(say, attention, layer, head)}${patternOf(patterns, layer, head, say)}</h2>
    <${Stage} ...${{ label, world: { width: side, height: side }, draw, describe }} />
  `;
}

function patternOf(patterns, layer, head, say) {
  const found = patterns?.find((one) => one.layer === layer && one.head === head);
  return found ? `, ${say("pattern", found)}` : "";
}

function drawMatrix(context, { camera, palette, tiles, index, side }) {
  const size = (side - MARGIN) * camera.scale;
  const [x, y] = [(MARGIN - camera.x) * camera.scale, (MARGIN - camera.y) * camera.scale];
  const { picture } = tiles.picture(index, size * devicePixelRatio, () => true);
  context.imageSmoothingEnabled = picture.width > size;
  context.drawImage(picture, x, y, size, size);
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.strokeRect(x, y, size, size);
}

/** Draws the tokens that are in view, and the lines of the chosen one. */
function drawTokens(context, { camera, view, palette, names, token }) {
  const cell = CELL * camera.scale;
  const margin = MARGIN * camera.scale;
  const position = (index, from) => (MARGIN + index * CELL - from) * camera.scale;
  if (token >= 0) {
    context.lineWidth = 2;
    context.strokeStyle = palette.accent;
    context.strokeRect(position(0, camera.x), position(token, camera.y), names.length * cell, cell);
    context.strokeRect(position(token, camera.x), position(0, camera.y), cell, names.length * cell);
  }
  if (cell < READABLE) return;
  context.fillStyle = palette.ink;
  context.font = `${Math.min(14, cell * 0.75)}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  // Tokens stay at the edge of the view where their place is out of it.
  const [left, top] = [Math.max(position(0, camera.x), Math.min(margin, 90)), Math.max(position(0, camera.y), Math.min(margin, 90))];
  names.forEach((name, index) => {
    const y = position(index, camera.y) + cell / 2;
    if (y > 0 && y < view.height) write(context, palette, name, { x: left - 4, y, turn: 0, align: "right" });
    const x = position(index, camera.x) + cell / 2;
    if (x > 0 && x < view.width) write(context, palette, name, { x, y: top - 4, turn: -Math.PI / 2, align: "left" });
  });
}

function write(context, palette, name, { x, y, turn, align }) {
  context.save();
  context.translate(x, y);
  context.rotate(turn);
  context.textAlign = align;
  context.lineWidth = 3;
  context.strokeStyle = palette.surface;
  context.strokeText(name, 0, 0, 84);
  context.fillText(name, 0, 0, 84);
  context.restore();
}
