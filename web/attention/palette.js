// The colours of the page, for canvases.

const NAMES = ["surface", "raised", "ink", "soft", "line", "accent", "positive", "negative"];

/** The page's colours by name, as `rgb(…)`. */
export function paletteOf(element) {
  const probe = document.createElement("span");
  element.parentElement.append(probe);
  const palette = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    palette[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return palette;
}

/** Red, green and blue of an `rgb(…)`. */
export const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);

/** Steps of a colour scale on each side of 0. */
export const STEPS = 255;

/**
 * The pixels of weights from -1 to 1, as 2 · STEPS + 1 values of an ImageData. Weights below the
 * threshold have none.
 */
export function scaleOf(palette, threshold) {
  const surface = channels(palette.surface);
  const [positive, negative] = [channels(palette.positive), channels(palette.negative)];
  const pixels = new Uint32Array(2 * STEPS + 1);
  for (let step = -STEPS; step <= STEPS; step++) {
    const depth = Math.abs(step) / STEPS;
    const full = step < 0 ? negative : positive;
    const shown = depth >= threshold ? depth : 0;
    const [red, green, blue] = surface.map((from, i) => Math.round(from + (full[i] - from) * shown));
    pixels[step + STEPS] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  return pixels;
}
