// The request of the page as code. Keys are not part of it.

const json = (value, indent) => JSON.stringify(value, null, indent);

/** Quotes a string for a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl(body, origin) {
  return `curl -s ${origin}/explain -H 'Content-Type: application/json' -d ${quoted(json(body))}\n`;
}

// JSON is Python except for these three words, which here are always values: strings keep their
// quotes, and no key or number contains a bare word.
const NAMES = { true: "True", false: "False", null: "None" };

function python(body, origin) {
  const literal = json(body, 4).replace(/("(?:[^"\\]|\\.)*")|\b(true|false|null)\b/g, (all, text, word) => text ?? NAMES[word]);
  return `import requests

answer = requests.post("${origin}/explain", json=${literal})
answer.raise_for_status()
for result in answer.json()["results"]:
    for explanation in result["explanations"]:
        scores = explanation["attributions"]["word"]
        print(explanation["method"], [(word["text"], score) for word, score in zip(result["words"], scores)])
`;
}

function javaScript(body, origin) {
  return `const response = await fetch("${origin}/explain", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(${json(body, 2)}),
});
const { results } = await response.json();
console.log(results[0].words.map(({ text }, i) => [text, results[0].explanations[0].attributions.word[i]]));
`;
}

export const CODE = { curl, Python: python, JavaScript: javaScript };
