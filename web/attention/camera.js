// Which part of a drawing is shown: `scale` pixels per unit, and the unit at the top left.

const MAX_SCALE = 40;

/** Shows the whole drawing. */
export function fit(world, view) {
  const scale = Math.min(view.width / world.width, view.height / world.height, MAX_SCALE);
  return {
    scale,
    x: (world.width - view.width / scale) / 2,
    y: (world.height - view.height / scale) / 2,
  };
}

/** Zooms by a factor around a point of the view, not further out than the whole drawing. */
export function zoom(camera, factor, point, world, view) {
  const least = fit(world, view).scale;
  const scale = Math.max(least, Math.min(MAX_SCALE, camera.scale * factor));
  const at = toWorld(camera, point);
  return within({ scale, x: at.x - point.x / scale, y: at.y - point.y / scale }, world, view);
}

export function pan(camera, by, world, view) {
  const { scale } = camera;
  return within({ scale, x: camera.x - by.x / scale, y: camera.y - by.y / scale }, world, view);
}

export const toWorld = (camera, point) => ({
  x: camera.x + point.x / camera.scale,
  y: camera.y + point.y / camera.scale,
});

/** Keeps the drawing in view: centred if it is smaller than the view, else without a margin. */
function within(camera, world, view) {
  const clamp = (at, size, shown) => (shown >= size ? (size - shown) / 2 : Math.max(0, Math.min(size - shown, at)));
  return {
    scale: camera.scale,
    x: clamp(camera.x, world.width, view.width / camera.scale),
    y: clamp(camera.y, world.height, view.height / camera.scale),
  };
}
