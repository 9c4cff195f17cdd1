// A browser for tests.

import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const startBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });

/**
 * Opens a page of its own context. `page.faults` collects what the browser reports as wrong: errors
 * of scripts, violations of the content security policy, and failed requests.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ locale: "en", ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  return page;
}

/** Asserts that axe finds nothing in either colour scheme, with all details open. */
export async function assertAccessible(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((part) => (part.open = true)));
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const describe = ({ html, failureSummary }) => `${html} ${failureSummary}`;
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(describe).join("; ")}`);
    assert.deepEqual(found, [], colorScheme);
  }
}

export const words = (page) =>
  page.locator("[data-word]").evaluateAll((all) => all.map(({ dataset }) => [dataset.word, Number(dataset.score)]));

/** Opens the playground with settings in its address. */
export async function openPlayground(browser, address, settings = {}, options = {}) {
  const page = await openPage(browser, options);
  await page.goto(`${address}/#${new URLSearchParams(settings)}`);
  await page.locator("button.primary").waitFor();
  return page;
}
