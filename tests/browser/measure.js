// Measures the playground in a browser and prints the figures: milliseconds from a key press to
// coloured words, and between frames while the attention of 12 × 12 heads over 512 tokens is panned and
// zoomed. Use an optimized build: EXPLAIND=target/release/explaind node measure.js

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { openPlayground, startBrowser } from "./browser.js";
import { writeLongModel } from "./long-model.js";
import { GOLDEN, startService } from "./service.js";

const folder = await mkdtemp(`${tmpdir()}/long-model-`);
await writeLongModel(folder, `${GOLDEN}/bert-tiny`);
const service = await startService({ models: ["builtin:sentiment-en", `long=${folder}`] });
const browser = await startBrowser();
try {
  print("key press to coloured words, ms", await keyPresses());
  for (const view of ["model", "matrix", "lines"]) print(`between frames, ms, ${view} view`, await frames(view));
} finally {
  await browser.close();
  await service.stop();
  await rm(folder, { recursive: true });
}

function print(name, times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
  console.log(`${name}: median ${at(0.5)}, 95 % ${at(0.95)}, most ${at(1)} (${times.length})`);
}

/** The time until the words on the page are those of the text, per letter. */
async function keyPresses() {
  const page = await openPlayground(browser, service.address, { text: "The plot was thin, but the music is" });
  await page.locator("[data-word]").first().waitFor();
  // The first answers after a start are slower.
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.waitForTimeout(1000);
  await page.evaluate(() => {
    window.times = [];
    document.addEventListener("keydown", () => (window.pressed = performance.now()), true);
    const shown = () => [...document.querySelectorAll("[data-word]")].map(({ dataset }) => dataset.word).join("");
    new MutationObserver(() => {
      const text = document.querySelector("textarea").value.replaceAll(" ", "");
      if (window.pressed === undefined || shown() !== text) return;
      const began = window.pressed;
      window.pressed = undefined;
      requestAnimationFrame(() => window.times.push(performance.now() - began));
    }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await page.locator("textarea").first().focus();
  await page.keyboard.press("End");
  for (const letter of " wonderfully good") {
    await page.keyboard.press(letter === " " ? "Space" : letter);
    await page.waitForTimeout(250);
  }
  return page.evaluate(() => window.times);
}

async function frames(view) {
  const text = Array.from({ length: 510 }, (_, i) => "abcdefgh"[i % 8]).join(" ");
  const settings = { model: "long", methods: "saliency", panel: "attention", view, text };
  const page = await openPlayground(browser, service.address, settings, { viewport: { width: 1200, height: 900 } });
  const canvas = page.locator("canvas");
  const began = performance.now();
  await canvas.waitFor({ timeout: 120_000 });
  console.log(`attention loaded in ${((performance.now() - began) / 1e3).toFixed(1)} s`);
  await page.waitForTimeout(2000);
  await canvas.scrollIntoViewIfNeeded();
  const { x, y } = await canvas.boundingBox();
  await page.evaluate(() => {
    window.gaps = [];
    let last = performance.now();
    const frame = (now) => {
      window.gaps.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const pause = () => page.waitForTimeout(16);
  const wheel = async (by) => {
    for (let i = 0; i < 30; i++, await pause()) await page.mouse.wheel(0, by);
  };
  await page.mouse.move(x + 300, y + 200);
  await wheel(-60);
  await page.mouse.down();
  for (let i = 0; i < 60; i++, await pause()) await page.mouse.move(x + 300 - 6 * i, y + 200 - 3 * i);
  await page.mouse.up();
  await wheel(60);
  const gaps = await page.evaluate(() => window.gaps);
  await page.context().close();
  return gaps;
}
