// The body of POST /explain for the settings of the page.

/** The input of a text, and of its pair if there is one. */
export const input = (text, pair) => (pair ? { text, text_pair: pair } : text);

export function target(name) {
  const [a, b] = name.split("\u2212");
  return b === undefined ? name : { contrast: [a, b] };
}

/** The target of one label rather than another, as a name. */
export const contrast = (a, b) => `${a}\u2212${b}`;

const isDefault = { target: "predicted", output: "logit" };

function common(settings) {
  const body = { methods: settings.methods, attention: false };
  if (settings.target !== isDefault.target) body.target = target(settings.target);
  if (settings.output !== isDefault.output) body.output = settings.output;
  if (settings.measures) body.evaluate = "all";
  return body;
}

/** The body of the first text, with the chosen concepts, which only their own view asks for. */
export function takenAlong(settings) {
  const [first] = bodies(settings);
  return settings.concepts.length ? { ...first, concepts: settings.concepts } : first;
}

/** One body per text that is shown: one, or two that are compared. */
export function bodies(settings) {
  const { model, text, pair, versus } = settings;
  const first = { model, inputs: input(text, pair), ...common(settings) };
  if (versus === "text") {
    return [first, { ...first, inputs: input(settings.text2, settings.pair2) }];
  }
  if (versus === "model" && settings.model2) {
    return [first, { ...first, model: settings.model2 }];
  }
  return [first];
}
