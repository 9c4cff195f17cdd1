// Takes the screenshots of the README: node screenshots.js [FOLDER]

import { openPlayground, startBrowser } from "./browser.js";
import { startService } from "./service.js";

const folder = process.argv[2] ?? new URL("../../docs", import.meta.url).pathname;
const TEXT = "The plot was thin, but the music is wonderful.";
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

const SHOTS = [
  {
    name: "words",
    settings: { text: TEXT, methods: "integrated_gradients,lime" },
    options: { viewport: { width: 900, height: 900 } },
    part: "section.result",
  },
  {
    name: "attention",
    settings: { text: TEXT, panel: "attention", threshold: 0 },
    options: { viewport: { width: 900, height: 700 }, colorScheme: "dark" },
    part: ".stage canvas",
  },
  {
    name: "chinese",
    settings: { model: "sentiment-zh", text: "剧情有点薄弱，但是音乐非常动人。", language: "zh" },
    options: PHONE,
    part: "section.result",
  },
];

const service = await startService();
const browser = await startBrowser();
for (const { name, settings, options, part } of SHOTS) {
  const page = await openPlayground(browser, service.address, settings, options);
  const element = page.locator(part);
  await element.waitFor();
  await page.waitForTimeout(1000);
  await element.screenshot({ path: `${folder}/playground-${name}.png` });
}
await browser.close();
await service.stop();
