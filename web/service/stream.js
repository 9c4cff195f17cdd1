// POST /explain with its progress, as lines of JSON.

import { send } from "./client.js";
import { Problem } from "./problem.js";

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

/** Explains a single input: returns {model, result, usage}. */
export async function explain(body, signal, onProgress) {
  const response = await send("/explain", { body, accept: "application/x-ndjson", signal });
  let result;
  for await (const line of lines(response)) {
    if (line.progress) onProgress(line.progress);
    else if (line.usage) return answer(result, line);
    else if (line.error) throw new Problem(line.error);
    else result = line;
  }
  throw Problem.unreachable();
}

function answer(result, { model, usage }) {
  const { index, ...rest } = result;
  return { model, result: rest, usage };
}
