// Concepts in the view inside the model.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { assertAccessible, openPage, openPlayground, startBrowser } from "./browser.js";
import { startService } from "./service.js";

const TEXT = "The plot was thin, but the music is wonderful.";
const ADMIN = "browser-test-admin-key-0123456789";
const PRAISE = ["The food was wonderful.", "I loved every minute of it.", "A brilliant film.", "What a beautiful room.", "Everything worked perfectly."];
const BLAME = ["The food was awful.", "I hated every minute of it.", "A clumsy film.", "What an ugly room.", "Nothing worked properly."];
const MODELS = ["builtin:sentiment-en", "builtin:sentiment-zh"];

let service;
let browser;

async function learn(address, name, concept, contrast, more = {}) {
  const response = await fetch(`${address}/concepts`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${ADMIN}` },
    body: JSON.stringify({ name, concept, contrast, ...more }),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}

before(async () => {
  const environment = { EXPLAIND_SERVER__ADMIN_KEY: ADMIN };
  [service, browser] = await Promise.all([startService({ models: MODELS, environment }), startBrowser()]);
  await learn(service.address, "praise", PRAISE, BLAME, { target: "POSITIVE" });
  await learn(service.address, "blame", BLAME, PRAISE);
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

const open = (settings) => openPlayground(browser, service.address, { text: TEXT, panel: "inside", ...settings });

async function located(names) {
  const response = await fetch(`${service.address}/explain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: TEXT, methods: [], attention: false, concepts: names }),
  });
  return (await response.json()).results[0].concepts;
}

const shown = (value, decimals) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(decimals)}`;

test("a concept is chosen with the keyboard, and shown at every layer", async () => {
  const page = await open();
  const box = page.getByRole("checkbox", { name: "praise" });
  await box.focus();
  await page.keyboard.press("Space");
  const figure = page.getByRole("figure", { name: "praise" });
  await figure.waitFor();
  assert.equal(await page.getByRole("figure").filter({ has: page.locator(".plot") }).count(), 1);
  const [praise] = await located(["praise"]);
  await figure.getByText("As a table").click();
  const rows = await figure
    .locator("tbody tr")
    .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText.trim())));
  assert.equal(rows.length, 4);
  for (const [index, place] of praise.layers.entries()) {
    const own = place.layer === praise.layer;
    assert.equal(rows[index][0], own ? `${place.layer} separates best` : String(place.layer));
    assert.equal(rows[index][1], shown(place.position, 2));
    assert.equal(Number(rows[index][2].replace("\u2212", "-")).toPrecision(1), place.sensitivity.toPrecision(1));
  }
  const plots = figure.getByRole("img");
  assert.deepEqual(await plots.evaluateAll((all) => all.map((plot) => plot.getAttribute("aria-label"))), [
    "Position along praise after 4 layers. The table below has the same.",
    "Sensitivity along praise after 4 layers. The table below has the same.",
  ]);
  assert.equal(await figure.locator(".plot").first().locator(".dot").count(), 4);
  assert.equal(await figure.locator(".ring").count(), 2);
  // Higher is further along.
  const heights = await figure.locator(".plot").first().locator(".dot").evaluateAll((all) => all.map((dot) => -dot.getAttribute("cy")));
  const order = (values) => values.map((_, index) => index).sort((a, b) => values[a] - values[b]);
  assert.deepEqual(order(heights), order(praise.layers.map(({ position }) => position)));
  assert.match(await figure.locator("figcaption").innerText(), /POSITIVE (depends|does not depend) on it .*\(p = \d\.\d{3}\)/);
  await page.waitForFunction(() => location.hash.includes("concepts=praise"));
  assert.deepEqual(page.faults, []);
});

test("concepts are in the address and in the copied request", async () => {
  const page = await openPlayground(browser, service.address, { text: TEXT, panel: "inside", concepts: "praise,blame" }, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("figure", { name: "blame" }).waitFor();
  assert.equal(await page.locator("figure.concept").count(), 2);
  await page.getByRole("tab", { name: "Words" }).click();
  await page.getByRole("button", { name: "curl", exact: true }).click();
  await page.getByText("Copied.").waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /"concepts":\["praise","blame"\]/);
  // They belong to the model.
  await page.getByLabel("Model", { exact: true }).selectOption("sentiment-zh");
  await page.getByRole("tab", { name: "Inside the model" }).click();
  await page.locator(".head_importance .without").waitFor();
  assert.equal(await page.locator(".concepts").count(), 0);
  assert.deepEqual(page.faults, []);
});

test("a concept that is gone can be taken back", async () => {
  const page = await open({ concepts: "gone" });
  await page.locator(".concepts [role=alert]").waitFor();
  assert.match(await page.locator(".concepts [role=alert]").innerText(), /there is no concept "gone"/);
  await page.getByRole("checkbox", { name: "gone" }).click();
  await page.locator(".concepts [role=alert]").waitFor({ state: "detached" });
  assert.deepEqual(await page.getByRole("checkbox", { name: /gone|praise|blame/ }).evaluateAll((all) => all.map(({ value }) => value)), ["blame", "praise"]);
});

test("axe finds nothing, on a phone and in Chinese either", async () => {
  const page = await open({ concepts: "praise" });
  await page.getByRole("figure", { name: "praise" }).waitFor();
  await page.locator("main:has(.lens table):has(.heat-map):has(.without)").waitFor();
  await assertAccessible(page);
  await page.setViewportSize({ width: 360, height: 740 });
  const [width, content] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(content <= width, `${content} > ${width}`);
  const chinese = await open({ concepts: "praise", language: "zh" });
  await chinese.getByRole("heading", { name: "概念" }).waitFor();
  const figure = chinese.getByRole("figure", { name: "praise" });
  await figure.waitFor();
  assert.match(await figure.locator("figcaption").innerText(), /第 \d 层区分留出文本/);
  await assertAccessible(chinese);
});

test("a service with keys lists them for the key of the page", async () => {
  const key = "browser-test-key-0123456789";
  const digest = createHash("sha256").update(key).digest("hex");
  const keyed = await startService({
    models: ["builtin:sentiment-en"],
    environment: { EXPLAIND_SERVER__ADMIN_KEY: ADMIN, EXPLAIND_SERVER__KEYS: JSON.stringify([`tester:sha256:${digest}`]) },
  });
  try {
    await learn(keyed.address, "praise", PRAISE, BLAME);
    const page = await openPage(browser);
    await page.goto(`${keyed.address}/#${new URLSearchParams({ text: TEXT, panel: "inside", concepts: "praise" })}`);
    await page.getByLabel("Key", { exact: true }).fill(key);
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByRole("figure", { name: "praise" }).waitFor();
  } finally {
    await keyed.stop();
  }
});
