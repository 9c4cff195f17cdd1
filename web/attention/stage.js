// A canvas that can be panned and zoomed with the pointer, by touch, and with the keyboard.

import { html, useEffect, useId, useRef, useState } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { fit, toWorld, zoom } from "./camera.js";
import { handlers } from "./gestures.js";
import { paletteOf } from "./palette.js";

/**
 * `world` is the size of the drawing in units. `draw(context, {camera, view, palette})` draws it
 * and returns whether it wants to draw again, with more detail. `describe(point)` says what is at a
 * point, and `onOpen(point)` opens it.
 */
export function Stage({ label, world, draw, describe, onOpen }) {
  const say = useSay();
  const help = useId();
  const canvas = useRef(null);
  const stage = useRef(null);
  const [found, setFound] = useState("");
  stage.current ??= new Painter();
  const painter = stage.current;
  Object.assign(painter, { world, draw });

  useEffect(() => painter.attach(canvas.current), []);
  useEffect(() => painter.reset(), [world.width, world.height]);
  useEffect(() => painter.request(), [draw]);

  const at = (point) => toWorld(painter.camera, point);
  const gestures = handlers(painter, {
    onHover: (point) => setFound(describe(at(point)) ?? ""),
    onOpen: (point) => onOpen?.(at(point)),
  });
  useEffect(() => {
    // Preact's listeners are passive here, and the page must not scroll.
    const element = canvas.current;
    element.addEventListener("wheel", gestures.wheel, { passive: false });
    return () => element.removeEventListener("wheel", gestures.wheel);
  });
  const middle = (factor) => () => painter.move((camera) => zoom(camera, factor, painter.middle(), world, painter.view));
  return html`
    <div class="stage">
      <canvas
        ref=${canvas}
        tabindex="0"
        role="img"
        aria-label=${label}
        aria-describedby=${help}
        onPointerDown=${gestures.down}
        onPointerMove=${gestures.move}
        onPointerUp=${gestures.up}
        onPointerCancel=${gestures.up}
        onDblClick=${gestures.open}
        onKeyDown=${gestures.key}
      ></canvas>
      <div class="row">
        <button type="button" onClick=${middle(1.5)} aria-label=${say("zoom_in")}>+</button>
        <button type="button" onClick=${middle(1 / 1.5)} aria-label=${say("zoom_out")}>−</button>
        <button type="button" onClick=${() => painter.reset()}>${say("fit_view")}</button>
        <output class="found">${found}</output>
      </div>
      <p id=${help} class="soft">${say("canvas_help")}</p>
    </div>
  `;
}

/** Draws at most once per frame. */
class Painter {
  camera = { scale: 1, x: 0, y: 0 };
  view = { width: 1, height: 1 };
  frame = 0;

  attach(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(canvas);
    const recolour = () => {
      this.palette = paletteOf(canvas);
      this.request();
    };
    recolour();
    const themes = new MutationObserver(recolour);
    themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", recolour);
    return () => {
      observer.disconnect();
      themes.disconnect();
      dark.removeEventListener("change", recolour);
      cancelAnimationFrame(this.frame);
    };
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.view = { width, height };
    [this.canvas.width, this.canvas.height] = [width * devicePixelRatio, height * devicePixelRatio];
    this.reset();
  }

  reset() {
    this.move(() => fit(this.world, this.view));
  }

  middle() {
    return { x: this.view.width / 2, y: this.view.height / 2 };
  }

  move(change) {
    this.camera = change(this.camera);
    this.request();
  }

  request() {
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    const { context, camera, view, palette } = this;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, view.width, view.height);
    if (this.draw(context, { camera, view, palette })) this.request();
  }
}
