// Pointer, touch and keyboard as movements of a camera.

import { pan, zoom } from "./camera.js";

/** Pixels per press of an arrow key. */
const STEP = 60;

const ARROWS = {
  ArrowLeft: { x: STEP, y: 0 },
  ArrowRight: { x: -STEP, y: 0 },
  ArrowUp: { x: 0, y: STEP },
  ArrowDown: { x: 0, y: -STEP },
};
const ZOOMS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };

const pointOf = (event) => ({ x: event.offsetX, y: event.offsetY });
const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
const distance = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);

/** Event handlers that move the camera of a painter. */
export function handlers(painter, { onHover, onOpen }) {
  // Kept with the painter: handlers are made anew with each rendering.
  const pointers = (painter.pointers ??= new Map());
  const { world } = painter;
  const panBy = (by) => painter.move((camera) => pan(camera, by, world, painter.view));
  const zoomAt = (factor, point) => painter.move((camera) => zoom(camera, factor, point, world, painter.view));

  return {
    down(event) {
      event.currentTarget.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, pointOf(event));
    },
    move(event) {
      const point = pointOf(event);
      onHover(point);
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const before = [...pointers.values()];
      pointers.set(event.pointerId, point);
      const after = [...pointers.values()];
      if (after.length === 2) zoomAt(distance(after) / distance(before), middle(after));
      else panBy({ x: point.x - last.x, y: point.y - last.y });
    },
    up(event) {
      pointers.delete(event.pointerId);
    },
    open(event) {
      onOpen(pointOf(event));
    },
    wheel(event) {
      event.preventDefault();
      zoomAt(Math.exp(-event.deltaY / 400), pointOf(event));
    },
    key(event) {
      if (ARROWS[event.key]) panBy(ARROWS[event.key]);
      else if (ZOOMS[event.key]) zoomAt(ZOOMS[event.key], painter.middle());
      else if (event.key === "0") painter.reset();
      else if (event.key === "Enter") onOpen(painter.middle());
      else return;
      event.preventDefault();
    },
  };
}
