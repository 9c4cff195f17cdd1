// What people do on the playground.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { openPlayground, startBrowser, words } from "./browser.js";
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

async function explained(body) {
  const response = await fetch(`${service.address}/explain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attention: false, ...body }),
  });
  return (await response.json()).results[0];
}

test("typed words get the colours and numbers of the service's answer", async () => {
  const page = await open();
  await page.getByLabel("Text").fill(TEXT);
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.locator("[data-word]").first().waitFor();
  const result = await explained({ inputs: TEXT });
  const scores = result.explanations[0].attributions.word;
  assert.deepEqual(await words(page), result.words.map(({ text }, i) => [text, scores[i]]));
  assert.equal(await page.locator(".summary").innerText(), result.summary.en);
  const score = page.locator('[data-word="wonderful"] .score');
  assert.equal(await score.isVisible(), false);
  await page.locator('[data-word="wonderful"]').focus();
  assert.equal(await score.isVisible(), true);
  assert.equal(await score.innerText(), `+${scores[9].toFixed(3)}`);
  assert.match(await page.locator("table.bars").innerText(), /wonderful/);
  assert.deepEqual(page.faults, []);
});

test("pairs of words are listed, strongest first", async () => {
  const methods = ["shapley_interactions"];
  const page = await open({ text: "The plot is not good.", methods });
  const first = page.locator(".pairs tbody tr").first();
  await first.waitFor();
  const { words, explanations } = await explained({ inputs: "The plot is not good.", methods });
  const { units, score } = explanations[0].interactions.pairs[0];
  const [a, b] = units.map((unit) => words[unit].text);
  const number = `${score < 0 ? "−" : "+"}${Math.abs(score).toFixed(2)}`;
  assert.equal((await first.innerText()).replace(/\s+/g, " "), `${a} · ${b} ${number}`);
  assert.equal(await page.locator(".pairs tbody tr").count(), 10);
  assert.deepEqual(page.faults, []);
});

test("words are explained while they are typed", async () => {
  const page = await open();
  await page.getByLabel("Text").pressSequentially("So good", { delay: 60 });
  await page.locator('[data-word="good"]').waitFor();
  assert.deepEqual(page.faults, []);
});

test("a word can be dropped, masked and replaced, and each is undone", async () => {
  const page = await open({ text: TEXT });
  const field = page.getByLabel("Text");
  for (const [act, expected] of [
    [() => page.getByRole("button", { name: "Drop", exact: true }).click(), "The plot was thin, but the music is ."],
    [() => page.getByRole("button", { name: "Mask", exact: true }).click(), TEXT.replace("wonderful", "[MASK]")],
    [() => replace(page, "dull"), TEXT.replace("wonderful", "dull")],
  ]) {
    await page.locator('[data-word="wonderful"]').first().click();
    await act();
    assert.equal((await field.inputValue()).replace(" .", "."), expected.replace(" .", "."));
    const section = page.locator("section.edits");
    await section.getByText("Before and after").waitFor();
    const predictions = await section.locator("table.difference").first().innerText();
    assert.match(predictions, /POSITIVE\s+0\.918\s+0\.\d{3}\s+[−+]0\.\d{3}/);
    await section.getByRole("button", { name: "Undo" }).click();
    assert.equal(await field.inputValue(), TEXT);
    await section.waitFor({ state: "detached" });
  }
  assert.deepEqual(page.faults, []);
});

async function replace(page, word) {
  await page.getByPlaceholder("Other word").fill(word);
  await page.getByRole("button", { name: "Replace", exact: true }).click();
}

test("two models are compared", async () => {
  const page = await open({ text: "good 好" });
  await page.getByRole("radio", { name: "another model" }).check();
  await page.getByLabel("Other model", { exact: true }).selectOption("sentiment-zh");
  const table = page.locator("section.comparison table.difference").first();
  await table.waitFor();
  const results = await Promise.all(["sentiment-en", "sentiment-zh"].map((model) => explained({ model, inputs: "good 好" })));
  const text = await table.innerText();
  for (const { predictions } of results) {
    const positive = predictions.find(({ label }) => label === "POSITIVE");
    assert.ok(text.includes(positive.probability.toFixed(3)), text);
  }
  assert.deepEqual(page.faults, []);
});

test("a shared address shows the same", async () => {
  const page = await open();
  await page.getByLabel("Text").fill(TEXT);
  await page.locator("details.methods summary").click();
  await page.getByRole("checkbox", { name: /^saliency/ }).check();
  await page.getByLabel("Tokens", { exact: true }).check();
  await page.locator("figure.heat").nth(1).waitFor();
  await page.waitForFunction(() => location.hash.includes("unit=token") && location.hash.includes("saliency"));
  const other = await openPlayground(browser, service.address);
  await other.goto(page.url());
  await other.reload();
  await other.locator("figure.heat").nth(1).waitFor();
  assert.deepEqual(await words(other), await words(page));
  assert.equal((await words(other))[0][0], "[CLS]");
});

test("downloads are what is shown", async () => {
  const page = await open({ text: TEXT });
  await page.locator("[data-word]").first().waitFor();
  const files = {};
  for (const format of ["JSON", "HTML", "SVG", "PNG"]) {
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: format, exact: true }).click();
    files[format] = await readFile(await (await download).path());
  }
  const { result } = JSON.parse(files.JSON);
  assert.deepEqual(result.explanations[0].attributions, (await explained({ inputs: TEXT })).explanations[0].attributions);
  assert.match(files.HTML.toString(), /^<!DOCTYPE html>.*wonderful/s);
  assert.match(files.SVG.toString(), /^<svg .*wonderful/s);
  assert.equal(files.PNG.subarray(1, 4).toString(), "PNG");
  assert.deepEqual(page.faults, []);
});

test("hostile texts stay texts", async () => {
  const hostile = `<img src=x onerror="document.title='hit'"><script>document.title='hit'</script>\u202e"'&`;
  const page = await open({ text: hostile });
  await page.locator("[data-word]").first().waitFor();
  await page.getByRole("tab", { name: "Attention" }).click();
  await page.locator("canvas").waitFor();
  assert.equal(await page.title(), "explaind playground");
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.ok(!(await page.locator("[role=tabpanel]").innerText()).includes("\u202e"));
  assert.deepEqual(page.faults, []);
});

test("errors of the service are at the field that they point to", async () => {
  const page = await open({ text: "word ".repeat(200) });
  const problem = page.locator("#problem-text");
  await problem.waitFor();
  assert.match(await problem.innerText(), /sentiment-en takes 128/);
  assert.equal(await page.getByLabel("Text").getAttribute("aria-invalid"), "true");
  const other = await open({ text: "good", model: "unknown" });
  assert.match(await other.locator("#problem-model").innerText(), /unknown/);
});

test("a slow method reports progress and can be cancelled", async () => {
  const page = await open({ text: TEXT });
  await page.locator("[data-word]").first().waitFor();
  await page.route("**/explain", async (route) => {
    const body = route.request().postDataJSON();
    body.methods = [{ name: "smooth_grad", n_samples: 10000, tolerance: undefined }];
    await route.continue({ postData: JSON.stringify(body) });
  });
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.locator("progress").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("progress").waitFor({ state: "detached" });
  assert.equal(await page.locator("[data-word]").count(), 11);
});

test("every task has its own view", async () => {
  for (const [settings, selector, pattern] of [
    [{ model: "qa", text: "who runs ?", pair: "a man runs home" }, ".verdict", /Answer: /],
    [{ model: "tokens", text: "a man runs home" }, ".marked", /[BI]-(PER|LOC)/],
    [{ model: "mlm", text: "a man [MASK] home" }, ".labels", /Mask 1/],
    [{ model: "embed", text: "a man runs", pair: "a man sleeps" }, ".verdict", /Cosine of the two texts/],
    [{ model: "nli", text: "a man runs", pair: "a man sleeps" }, ".labels", /entailment/],
  ]) {
    const page = await open(settings);
    await page.locator(selector).first().waitFor();
    assert.match(await page.locator("section.result").innerText(), pattern);
    assert.ok((await words(page)).length > 0, settings.model);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

test("evidence is found on demand", async () => {
  const page = await open({ text: "The plot was thin, but the woman in London is wonderful.", panel: "evidence" });
  for (const [name, pattern] of [
    ["Similar examples", /POSITIVE/],
    ["What would flip it", /NEGATIVE/],
    ["Rules", /→ POSITIVE/],
    ["Decision tree", /agrees with the model/],
    ["What should not matter", /identity/],
  ]) {
    await page.getByRole("button", { name: `Find: ${name}` }).click();
    const card = page.locator("section.card", { has: page.getByRole("heading", { name, exact: true }) });
    await card.getByText(pattern).first().waitFor();
  }
  assert.deepEqual(page.faults, []);
});
