// Explains a text and prints its words with their scores.
//   npm ci && npm run build && npm start -- http://127.0.0.1:8080

import assert from "node:assert/strict";
import { ProblemError, connect, data, explained } from "./client.js";

const client = connect(process.argv[2] ?? "http://127.0.0.1:8080", process.env.EXPLAIND_KEY);

const answer = data(
  await client.POST("/explain", {
    body: {
      inputs: "The plot was thin, but the music is wonderful.",
      methods: ["integrated_gradients", { name: "occlusion", replacement: "mask" }],
    },
  }),
);
for (const item of answer.results) {
  const result = explained(item);
  for (const { method, attributions } of result.explanations) {
    console.log(method);
    result.words.forEach((word, index) => {
      console.log(`  ${word.text.padEnd(10)} ${attributions.word?.[index]?.toFixed(4)}`);
    });
    const scores = attributions.word ?? [];
    assert.equal(result.words[scores.indexOf(Math.max(...scores))]?.text, "wonderful");
  }
}

// Errors are typed too.
try {
  data(await client.POST("/explain", { body: { inputs: "" } }));
  assert.fail("an empty text was explained");
} catch (error) {
  assert(error instanceof ProblemError);
  console.log(`${error.problem.code} at ${error.problem.pointer}`);
  assert.equal(error.problem.pointer, "/inputs");
}
