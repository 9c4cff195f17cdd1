// Pictures of attention matrices at several sizes, made when they are first drawn: a model view of a
// long text has millions of weights, and few of them are visible at a time.

import { STEPS } from "./palette.js";

/** Sizes of reduced pictures, in pixels. */
const SIZES = [64, 192];
/** Full pictures kept at a time. */
const KEPT = 24;

export class Tiles {
  constructor(attention, pixels) {
    this.attention = attention;
    this.pixels = pixels;
    this.size = attention.tokens.length;
    this.sizes = [...SIZES.filter((size) => 2 * size <= this.size), this.size];
    this.made = this.sizes.map(() => new Map());
  }

  /**
   * The picture of a matrix for a width in device pixels. Until `mayMake()` allows to make it, a
   * smaller one, or none.
   */
  picture(index, width, mayMake) {
    const fitting = this.sizes.findIndex((size) => size >= width);
    const wanted = fitting < 0 ? this.sizes.length - 1 : fitting;
    const ready = this.made[wanted].get(index);
    if (ready) return { picture: ready, final: true };
    if (mayMake()) return { picture: this.make(index, wanted), final: true };
    const smaller = this.made.slice(0, wanted).findLast((level) => level.has(index));
    return { picture: smaller?.get(index), final: false };
  }

  make(index, level) {
    const size = this.sizes[level];
    const reduced = reduce(this.attention.matrices[index], this.size, size);
    const image = new ImageData(size, size);
    const target = new Uint32Array(image.data.buffer);
    const most = reduced.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) || 1;
    for (let i = 0; i < reduced.length; i++) target[i] = this.pixels[Math.round((reduced[i] / most) * STEPS) + STEPS];
    const canvas = new OffscreenCanvas(size, size);
    canvas.getContext("2d").putImageData(image, 0, 0);
    const made = this.made[level].set(index, canvas);
    if (level === this.sizes.length - 1 && made.size > KEPT) made.delete(made.keys().next().value);
    return canvas;
  }
}

/** Reduces a square matrix: the largest magnitude of each block, so that thin lines stay. */
function reduce(weights, from, to) {
  if (from === to) return weights;
  const reduced = new Float32Array(to * to);
  for (let row = 0; row < from; row++) {
    const start = Math.floor((row * to) / from) * to;
    for (let column = 0; column < from; column++) {
      const at = start + Math.floor((column * to) / from);
      const weight = weights[row * from + column];
      if (Math.abs(weight) > Math.abs(reduced[at])) reduced[at] = weight;
    }
  }
  return reduced;
}
