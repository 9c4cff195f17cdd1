// All heads of all layers as small matrices, with the pattern of each.

import { html, useMemo } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { headName } from "./names.js";
import { scaleOf } from "./palette.js";
import { Stage } from "./stage.js";
import { Tiles } from "./tiles.js";

/** Units: a tile, its label, and the distance to the next. */
const TILE = 100;
const LABEL = 22;
const PITCH = { x: TILE + 12, y: TILE + LABEL + 10 };
const MARGIN = 12;
/** Milliseconds per frame for making pictures. */
const MAKING_MS = 8;
/** Pixels of a tile from which its label can be read. */
const READABLE = 56;

export function ModelView({ attention, patterns, selection, change }) {
  const say = useSay();
  const { layers, heads, tokens, matrices } = attention;
  const world = { width: 2 * MARGIN + heads * PITCH.x, height: 2 * MARGIN + layers * PITCH.y };
  const names = useMemo(() => new Map(patterns?.map((one) => [one.layer * heads + one.head, one.pattern])), [patterns, heads]);
  const { layer, head, threshold } = selection;
  const draw = useMemo(() => {
    let tiles;
    let colours;
    return (context, { camera, view, palette }) => {
      if (colours !== palette) [colours, tiles] = [palette, new Tiles(attention, scaleOf(palette, threshold))];
      return drawAll(context, { camera, view, palette, tiles, attention, names, chosen: layer * heads + head });
    };
  }, [attention, names, layer, head, threshold]);

  const describe = (point) => {
    const found = at(point, attention);
    if (!found) return null;
    const { index, x, y } = found;
    const [query, key] = [y, x].map((share) => Math.floor(share * tokens.length));
    const name = headName(say, attention, Math.floor(index / heads), index % heads);
    const weight = matrices[index][query * tokens.length + key];
    return `${name}: ${clean(tokens[query].text)} → ${clean(tokens[key].text)} ${weight.toFixed(3)}`;
  };
  const open = (point) => {
    const found = at(point, attention);
    if (found) change({ view: "matrix", layer: Math.floor(found.index / heads), head: found.index % heads });
  };
  const label = say("model_view_label", { layers, heads, tokens: tokens.length });
  return html`<${Stage} ...${{ label, world, draw, describe, onOpen: open }} />`;
}

/** The head at a point, and where in its tile. */
function at(point, { layers, heads }) {
  const [head, layer] = [Math.floor((point.x - MARGIN) / PITCH.x), Math.floor((point.y - MARGIN) / PITCH.y)];
  if (head < 0 || layer < 0 || head >= heads || layer >= layers) return null;
  const x = (point.x - MARGIN - head * PITCH.x) / TILE;
  const y = (point.y - MARGIN - layer * PITCH.y - LABEL) / TILE;
  return x < 1 && y >= 0 && y < 1 ? { index: layer * heads + head, x, y } : null;
}

/** Draws the visible tiles; returns whether some wait for their pictures. */
function drawAll(context, { camera, view, palette, tiles, attention, names, chosen }) {
  const { layers, heads } = attention;
  const size = TILE * camera.scale;
  const until = performance.now() + MAKING_MS;
  const mayMake = () => performance.now() < until;
  let waiting = false;
  context.font = `${Math.min(16, LABEL * 0.6 * camera.scale)}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (let index = 0; index < layers * heads; index++) {
    const x = (MARGIN + (index % heads) * PITCH.x - camera.x) * camera.scale;
    const y = (MARGIN + Math.floor(index / heads) * PITCH.y + LABEL - camera.y) * camera.scale;
    if (x > view.width || y > view.height || x + size < 0 || y + size < 0) continue;
    const { picture, final } = tiles.picture(index, size * devicePixelRatio, mayMake);
    waiting ||= !final;
    context.imageSmoothingEnabled = picture?.width > size;
    if (picture) context.drawImage(picture, x, y, size, size);
    context.lineWidth = index === chosen ? 3 : 1;
    context.strokeStyle = index === chosen ? palette.accent : palette.line;
    context.strokeRect(x, y, size, size);
    if (size < READABLE) continue;
    context.fillStyle = palette.ink;
    const name = `${Math.floor(index / heads) + 1}.${(index % heads) + 1}`;
    const pattern = names.get(index) ?? "";
    context.fillText(`${name} ${pattern}`, x, y - (LABEL / 2) * camera.scale, size);
  }
  return waiting;
}
