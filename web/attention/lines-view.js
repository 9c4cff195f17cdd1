// Lines from each token to the tokens that it attends to, of one head or of all heads of a layer.

import { html, useMemo } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { strongest } from "./pairs.js";
import { Stage } from "./stage.js";

/** Units of a row, of a column of tokens, and between the columns. */
const ROW = 22;
const COLUMN = 130;
const GAP = 320;
/** Lines drawn at most, the strongest. */
const LINES = 600;

export function LinesView({ attention, selection, change }) {
  const say = useSay();
  const { tokens } = attention;
  const { layer, head, token, threshold } = selection;
  const names = useMemo(() => tokens.map(({ text }) => clean(text)), [tokens]);
  const lines = useMemo(
    () => strongest(attention, { layer, head, token, threshold }, LINES).reverse(),
    [attention, layer, head, token, threshold],
  );
  const world = { width: 2 * COLUMN + GAP, height: tokens.length * ROW };
  const draw = useMemo(
    () => (context, frame) => {
      drawLines(context, frame, lines, attention.heads, head);
      drawNames(context, frame, names, token);
      return false;
    },
    [lines, names, token],
  );
  const rowAt = ({ y }) => (names[Math.floor(y / ROW)] === undefined ? -1 : Math.floor(y / ROW));
  const describe = (point) => names[rowAt(point)];
  const open = (point) => change({ token: rowAt(point) === token ? -1 : rowAt(point) });
  const label = say("lines_label", { layer: layer + 1, tokens: tokens.length, lines: lines.length });
  return html`<${Stage} ...${{ label, world, draw, describe, onOpen: open }} />`;
}

/** A hue per head, if there are several. */
function colourOf(palette, own, heads, head) {
  return head >= 0 ? palette.positive : `hsl(${(360 * own) / heads} 65% 55%)`;
}

function drawLines(context, { camera, view, palette }, lines, heads, head) {
  const y = (row) => ((row + 0.5) * ROW - camera.y) * camera.scale;
  const [left, right] = [(COLUMN - camera.x) * camera.scale, (COLUMN + GAP - camera.x) * camera.scale];
  context.lineWidth = Math.max(1, Math.min(4, 2 * camera.scale));
  // Each line is a path of its own: one path of many crossing lines takes several times as long.
  for (const { query, key, head: own, share } of lines) {
    const [from, to] = [y(query), y(key)];
    if (Math.max(from, to) < 0 || Math.min(from, to) > view.height) continue;
    context.globalAlpha = 0.1 + 0.9 * share;
    context.strokeStyle = colourOf(palette, own, heads, head);
    context.beginPath();
    context.moveTo(left, from);
    context.lineTo(right, to);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawNames(context, { camera, view, palette }, names, token) {
  const size = Math.min(16, ROW * 0.7 * camera.scale);
  if (size < 4) return;
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  names.forEach((name, row) => {
    const y = ((row + 0.5) * ROW - camera.y) * camera.scale;
    if (y < -20 || y > view.height + 20) return;
    context.fillStyle = row === token ? palette.accent : palette.ink;
    context.textAlign = "right";
    context.fillText(name, (COLUMN - 6 - camera.x) * camera.scale, y, COLUMN * camera.scale);
    context.textAlign = "left";
    context.fillText(name, (COLUMN + GAP + 6 - camera.x) * camera.scale, y, COLUMN * camera.scale);
  });
}
