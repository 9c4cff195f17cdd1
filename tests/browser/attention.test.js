// Attention views.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPlayground, startBrowser } from "./browser.js";
import { startService } from "./service.js";

const TEXT = "The plot was thin, but the music is wonderful.";
let service;
let browser;

before(async () => {
  [service, browser] = await Promise.all([startService({ models: ["builtin:sentiment-en"] }), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

async function open(settings) {
  const page = await openPlayground(browser, service.address, { text: TEXT, panel: "attention", ...settings });
  await page.locator("canvas").waitFor();
  return page;
}

/** The pixels of the canvas, to tell whether it changed. */
const pixels = (page) => page.locator("canvas").evaluate((canvas) => canvas.toDataURL());

async function changes(page, act) {
  const before = await pixels(page);
  await act();
  await page.waitForFunction((before) => document.querySelector("canvas")?.toDataURL() !== before, before);
}

test("the views show the weights of the service's answer", async () => {
  const page = await open({ view: "matrix", layer: 1, head: 2 });
  const response = await fetch(`${service.address}/explain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: TEXT, methods: [], attention: { layers: [1], heads: [2] } }),
  });
  const { attention } = (await response.json()).results[0];
  const strongest = Math.max(...attention.weights.flat(3));
  await page.getByText(/^Strongest pairs/).click();
  const first = page.locator("details[open] tbody tr").first();
  assert.match(await first.innerText(), new RegExp(strongest.toFixed(4).replace(".", "\\.")));
  assert.deepEqual(page.faults, []);
});

test("another layer, head, token and threshold change the picture", async () => {
  for (const view of ["matrix", "lines"]) {
    const page = await open({ view });
    await changes(page, () => page.getByLabel("Layer", { exact: true }).selectOption("3"));
    await changes(page, () => page.getByLabel("Head", { exact: true }).selectOption("2"));
    await changes(page, () => page.getByLabel("Token", { exact: true }).selectOption("4"));
    await changes(page, () => page.getByLabel("At least").fill("0.6"));
    assert.deepEqual(page.faults, []);
  }
});

test("all kinds of attention are shown", async () => {
  // The rollout has no heads of its own.
  const page = await open({ view: "matrix", head: 3 });
  for (const kind of ["norm", "rollout", "gradient", "weights"]) {
    await page.getByLabel("Show", { exact: true }).selectOption(kind);
    await page.locator("canvas").waitFor();
    await page.getByText(/^Strongest pairs/).waitFor();
  }
  assert.deepEqual(page.faults, []);
});

test("the pointer and the keyboard zoom and pan, and open a head", async () => {
  const page = await open();
  const canvas = page.locator("canvas");
  await page.getByText("Heads as a table").waitFor();
  await canvas.hover();
  assert.match(await page.locator(".found").innerText(), /Layer \d, head \d: .+ → .+ \d\.\d{3}|^$/);
  await changes(page, () => page.mouse.wheel(0, -300));
  await canvas.focus();
  await changes(page, () => page.keyboard.press("ArrowDown"));
  await changes(page, () => page.keyboard.press("0"));
  await page.getByText("Heads as a table").click();
  await page.locator(".heads-table button").nth(7).click();
  await page.getByRole("heading", { name: /Layer 2, head 3/ }).waitFor();
  assert.deepEqual(page.faults, []);
});
