// Keyboard, screen readers, contrast, small screens, languages, keys.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { assertAccessible, openPage, openPlayground, startBrowser, words } from "./browser.js";
import { startService } from "./service.js";

const TEXT = "The plot was thin, but the music is wonderful.";
let service;
let browser;

before(async () => {
  [service, browser] = await Promise.all([startService(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

const open = (settings, options) => openPlayground(browser, service.address, settings, options);

const VIEWS = [
  ["words", { methods: "integrated_gradients,saliency", measures: "true" }, "table.agreement"],
  ["comparison", { versus: "text", text2: "The plot was good." }, "section.comparison"],
  ["all heads", { panel: "attention" }, "canvas"],
  ["matrix", { panel: "attention", view: "matrix" }, "canvas"],
  ["lines", { panel: "attention", view: "lines" }, "canvas"],
  ["standard errors", { methods: "lime" }, ".error"],
  ["inside the model", { panel: "inside" }, "main:has(.lens table):has(.heat-map):has(.without)"],
  ["evidence", { panel: "evidence" }, ".evidence"],
  ["entities", { model: "tokens", text: "a man runs home" }, ".marked"],
  ["answer", { model: "qa", text: "who runs ?", pair: "a man runs home" }, ".verdict"],
  ["error", { text: "word ".repeat(200) }, "#problem-text"],
  ["Chinese", { language: "zh", model: "sentiment-zh", text: "这部电影真的很棒" }, "[data-word]"],
];

for (const [name, settings, ready] of VIEWS) {
  test(`axe finds nothing: ${name}`, async () => {
    const page = await openPage(browser);
    await page.goto(`${service.address}/#${new URLSearchParams({ text: TEXT, ...settings })}`);
    await page.locator(ready).first().waitFor();
    await assertAccessible(page);
    await page.context().close();
  });
}

test("the stand-alone page has no faults", async () => {
  const response = await fetch(`${service.address}/explain`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/html" },
    body: JSON.stringify({ inputs: TEXT, methods: ["integrated_gradients", "saliency"], evaluate: "all" }),
  });
  const page = await openPage(browser);
  await page.setContent(await response.text());
  assert.equal(await page.locator("h1").innerText(), TEXT);
  await assertAccessible(page);
});

test("everything is done with the keyboard", async () => {
  const page = await open();
  await page.locator("body").press("Tab");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.innerText);
  for (let presses = 0; (await focused()) !== "field-text"; presses++) {
    assert.ok(presses < 10, "the text is among the first fields");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("So good");
  await page.keyboard.press("Control+Enter");
  await page.locator("[data-word]").first().waitFor();
  for (let presses = 0; !(await page.evaluate(() => document.activeElement.dataset?.word)); presses++) {
    assert.ok(presses < 40, "words can be reached");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Drop", exact: true }).waitFor();
  assert.equal(await focused(), "Drop");
  await page.keyboard.press("Enter");
  await page.locator("section.edits").waitFor();
  assert.equal(await page.getByLabel("Text").inputValue(), "good");
});

test("a phone needs no sideways scrolling", async () => {
  for (const settings of [{ methods: "integrated_gradients,lime" }, { panel: "attention" }, { panel: "inside" }, { panel: "evidence" }]) {
    const page = await open({ text: TEXT, ...settings }, { viewport: { width: 360, height: 740 }, hasTouch: true });
    await page.getByRole("tabpanel").waitFor();
    if (settings.panel === "inside") await page.locator("main:has(.heat-map):has(.without)").waitFor();
    const [width, content] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(content <= width, `${JSON.stringify(settings)}: ${content} > ${width}`);
  }
  const page = await open({ text: TEXT }, { viewport: { width: 360, height: 740 }, hasTouch: true });
  await page.locator('[data-word="thin"]').tap();
  assert.equal(await page.locator('[data-word="thin"] .score').isVisible(), true);
});

test("the interface speaks Chinese", async () => {
  const page = await openPage(browser, { locale: "zh-CN" });
  await page.goto(service.address);
  await page.getByLabel("文本").fill("好");
  await page.getByRole("button", { name: "解释", exact: true }).click();
  await page.locator("[data-word]").first().waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "zh");
});

test("right-to-left texts begin at the right", async () => {
  const page = await open({ text: "הסרט היה טוב" });
  await page.locator("[data-word]").first().waitFor();
  const boxes = await page.locator("[data-word]").evaluateAll((all) => all.map((word) => word.getBoundingClientRect().x));
  assert.ok(boxes[0] > boxes.at(-1), String(boxes));
  assert.equal(await page.locator(".text").first().evaluate((text) => getComputedStyle(text).direction), "rtl");
});

test("a service with keys asks for one, which stays in the tab", async () => {
  const key = "browser-test-key-0123456789";
  const digest = createHash("sha256").update(key).digest("hex");
  const keyed = await startService({
    models: ["builtin:sentiment-en"],
    environment: { EXPLAIND_SERVER__KEYS: JSON.stringify([`tester:sha256:${digest}`]) },
  });
  try {
    const page = await openPage(browser);
    await page.goto(`${keyed.address}/#text=good`);
    await page.getByLabel("Key", { exact: true }).fill("wrong-key-wrong-key-wrong-key");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByText("a key is required").waitFor();
    await page.getByLabel("Key", { exact: true }).fill(key);
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.locator("[data-word]").first().waitFor();
    const stored = await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage), document.cookie]);
    assert.deepEqual(stored[0], [key]);
    assert.ok(!stored[1].includes(key) && stored[2] === "");
    const other = await page.context().newPage();
    await other.goto(keyed.address);
    await other.getByLabel("Key", { exact: true }).waitFor();
  } finally {
    await keyed.stop();
  }
});

test("the playground can be switched off", async () => {
  const without = await startService({
    models: ["builtin:sentiment-en"],
    environment: { EXPLAIND_SERVER__PLAYGROUND: "false" },
  });
  try {
    const page = { headers: { accept: "text/html" } };
    assert.equal((await fetch(without.address, page)).status, 404);
    // Other clients learn that the process responds.
    assert.deepEqual(await (await fetch(without.address)).json(), { status: "alive" });
    assert.equal((await fetch(`${without.address}/docs`)).status, 200);
  } finally {
    await without.stop();
  }
});

test("/docs shows the API offline and sends requests", async () => {
  const page = await openPage(browser, { viewport: { width: 1200, height: 900 } });
  const outside = [];
  page.on("request", (request) => request.url().startsWith(service.address) || outside.push(request.url()));
  await page.goto(`${service.address}/docs#post-/predict`);
  await page.getByRole("button", { name: "TRY" }).first().waitFor();
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.locator('[id="post-/predict"]').getByRole("button", { name: "TRY" }).click();
  const answer = await (await answered).json();
  assert.equal(answer.results[0].predictions[0].label, "POSITIVE");
  assert.deepEqual([outside.filter((url) => !url.startsWith("data:")), page.faults], [[], []]);
});
