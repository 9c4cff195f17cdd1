// Views inside the model, and standard errors of scores.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPlayground, startBrowser } from "./browser.js";
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

const open = (settings) => openPlayground(browser, service.address, { text: TEXT, ...settings });

async function explained(body) {
  const response = await fetch(`${service.address}/explain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attention: false, ...body }),
  });
  return (await response.json()).results[0];
}

const inside = async (body) => (await explained({ methods: [], inside: ["lens", "conductance", "head_importance", "ablation"], ...body })).inside;

/** A score as the page shows it, with these decimals. */
const shown = (score, decimals) => `${score < 0 ? "−" : "+"}${Math.abs(score).toFixed(decimals)}`;

/** The texts of the cells of a table's body. */
const cells = (table) =>
  table.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.innerText.trim())));

test("the lens shows the prediction after each layer", async () => {
  const page = await open({ panel: "inside" });
  const { lens } = await inside({ inputs: TEXT });
  const table = page.locator(".lens table.labels");
  await table.waitFor();
  const expected = lens.predictions.map(([best], layer) => [
    layer === 0 ? "embeddings" : String(layer),
    best.label,
    `${(100 * best.probability).toFixed(1)} %`,
  ]);
  assert.deepEqual(await cells(table), expected);
  assert.equal(await table.locator("tr.best").count(), lens.layers.length - lens.decided_at);
  await page.getByText("All labels after each layer").click();
  const all = await cells(page.locator(".lens details table"));
  const order = lens.predictions.at(-1).map(({ index }) => index);
  const probability = (predictions, index) => predictions.find((one) => one.index === index).probability.toFixed(4);
  assert.deepEqual(
    all.map((row) => row.slice(1)),
    lens.predictions.map((predictions) => order.map((index) => probability(predictions, index))),
  );
  assert.deepEqual(page.faults, []);
});

test("conductance is a heat map and a table of the same scores", async () => {
  const page = await open({ panel: "inside" });
  const { conductance } = await inside({ inputs: TEXT });
  await page.locator(".heat-map").waitFor();
  const titles = await page.locator(".heat-map .cell").evaluateAll((all) => all.map((cell) => cell.title));
  assert.equal(titles.length, conductance.word.flat().length);
  assert.equal(titles[9], `Layer 1, wonderful: ${shown(conductance.word[0][9], 3)}`);
  await page.locator(".conductance").getByText("As a table").click();
  const rows = await cells(page.locator(".conductance details table"));
  assert.deepEqual(rows[9], ["wonderful", ...conductance.word.map((scores) => shown(scores[9], 3))]);
  assert.deepEqual(page.faults, []);
});

test("a head is chosen by its importance", async () => {
  const page = await open({ panel: "inside" });
  const { head_importance: heads, ablation } = await inside({ inputs: TEXT });
  const grid = page.locator(".head_importance table.heads-table");
  await grid.waitFor();
  assert.equal(await grid.locator("button").count(), heads.shape[0] * heads.shape[1]);
  const number = (await grid.locator("button").first().innerText()).split(".")[1].length;
  assert.equal(await grid.locator("button").nth(heads.shape[1] + 2).innerText(), shown(heads.scores[1][2], number));
  const without = await cells(page.locator("table.without"));
  assert.equal(without.length, ablation.heads.length);
  const [first] = ablation.heads;
  assert.equal(without[0][0], `Layer ${first.layer + 1}, head ${first.head + 1}`);
  assert.equal(without[0][1], shown(heads.scores[first.layer][first.head], number));
  assert.ok(Math.abs(Number(without[0][2].replace("−", "-")) - first.change) < 0.01, without[0][2]);
  await page.locator("table.without button").first().click();
  await page.getByRole("heading", { name: `Layer ${first.layer + 1}, head ${first.head + 1}` }).waitFor();
  assert.equal(await page.getByLabel("Layer", { exact: true }).inputValue(), String(first.layer));
  await page.getByRole("tab", { name: "Inside the model" }).click();
  await page.locator("table.without").waitFor();
  assert.equal(await page.locator('table.without button[aria-pressed="true"]').count(), 1);
  assert.deepEqual(page.faults, []);
});

test("other tasks and targets", async () => {
  for (const [settings, selector, pattern] of [
    [{ model: "qa", text: "who runs ?", pair: "a man runs home" }, ".lens table.labels", /%/],
    [{ model: "tokens", text: "a man runs home" }, ".lens table.labels", /[BIO]/],
    [{ model: "mlm", text: "a man [MASK] home" }, ".lens table.labels", /embeddings/],
    [{ model: "embed", text: "a man runs", pair: "a man sleeps" }, ".lens table.labels", /embeddings\s*-?\d\.\d{3}/],
    [{ text: TEXT, target: "NEGATIVE" }, ".heat-map", /wonderful/],
  ]) {
    const page = await open({ panel: "inside", ...settings });
    await page.locator(selector).first().waitFor();
    assert.match(await page.locator(selector).first().innerText(), pattern);
    assert.equal(await page.locator(".lens").count(), 1);
    await page.context().close();
  }
});

test("a view that fails says why, and the others are shown", async () => {
  const page = await open();
  await page.route("**/explain", (route) => {
    const fails = route.request().postDataJSON().inside?.includes("conductance");
    const problem = { status: 429, code: "overloaded", type: "/problems/overloaded", detail: "Come back later." };
    return fails ? route.fulfill({ status: 429, json: problem }) : route.continue();
  });
  await page.getByRole("tab", { name: "Inside the model" }).click();
  await page.locator(".conductance").getByText("Come back later.").waitFor();
  await page.locator(".lens table.labels").waitFor();
  assert.equal(await page.locator(".heat-map").count(), 0);
});

test("sampled scores have their standard errors", async () => {
  const page = await open({ methods: "lime,integrated_gradients" });
  await page.locator(".error").first().waitFor();
  const { words, explanations } = await explained({ inputs: TEXT, methods: ["lime"] });
  const [{ attributions, standard_error: errors }] = explanations;
  const index = words.findIndex(({ text }) => text === "wonderful");
  const expected = `${shown(attributions.word[index], 3)} ± ${errors.word[index].toFixed(3)}`;
  const row = page.locator("table.bars tbody tr", { hasText: "wonderful" });
  assert.equal(await row.locator(".value").first().innerText(), expected);
  assert.ok(!(await row.locator(".value").nth(1).innerText()).includes("±"), "nothing is sampled");
  // The line is as long as twice the error, on a track from minus to plus the largest of all ends.
  const reach = Math.max(...attributions.word.map((score, i) => Math.abs(score) + errors.word[i]));
  const length = await row.locator(".error").evaluate((line) => Number(line.style.getPropertyValue("--length")));
  assert.ok(Math.abs(length - errors.word[index] / reach) < 1e-3, String(length));
  const word = page.locator('[data-word="wonderful"]').first();
  await word.focus();
  assert.equal(await word.locator(".score").innerText(), expected);
  assert.match(await page.locator("figure.heat").first().innerText(), /converged/);
  assert.deepEqual(page.faults, []);
});

test("a linear model that fits badly is said to", async () => {
  const page = await open({ text: "good", methods: "lime" });
  const note = page.locator("figure.heat p.note");
  await note.waitFor();
  assert.match(await note.innerText(), /R² of the linear model 0\.\d+; the linear model describes the output poorly/);
});

test("the views speak Chinese", async () => {
  const page = await open({ language: "zh", model: "sentiment-zh", text: "这部电影真的很棒", panel: "inside" });
  await page.getByRole("heading", { name: "每层之后的预测" }).waitFor();
  await page.locator(".heat-map").waitFor();
  assert.match(await page.locator(".head_importance").innerText(), /第 1 层，第 \d 头/);
  assert.deepEqual(page.faults, []);
});
