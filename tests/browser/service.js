// Starts the service for tests.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const ROOT = new URL("../../", import.meta.url).pathname;
export const GOLDEN = `${ROOT}tests/golden`;

/** The models of the tests: the built-in ones, and one small checkpoint per task. */
export const MODELS = [
  "builtin:sentiment-en",
  "builtin:sentiment-zh",
  ...["nli", "qa", "tokens", "mlm", "embed"].map((task) => `${task}=${GOLDEN}/bert-${task}`),
];

/** Starts the service; returns its address and a function that stops it. */
export async function startService({ models = MODELS, environment = {} } = {}) {
  const binary = process.env.EXPLAIND ?? `${ROOT}target/debug/explaind`;
  const flags = models.flatMap((model) => ["--model", model]);
  const child = spawn(binary, ["--listen", "127.0.0.1:0", ...flags], {
    env: { ...process.env, EXPLAIND_LOG__FILTER: "warn", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const address = line.match(/^listening on (http:\S+)/)?.[1];
    if (address) return { address, stop: () => stop(child) };
  }
  throw new Error(`${binary} ended without listening`);
}

async function stop(child) {
  const ended = once(child, "exit");
  child.kill();
  await ended;
}
