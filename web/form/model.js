// The choice of a model.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Field } from "./field.js";

export function ModelField({ name, label, models, settings, change, problem }) {
  const say = useSay();
  const chosen = models.find(({ id }) => id === settings[name]);
  // Targets are labels of a model, and concepts are in its states.
  const own = name === "model" ? { concepts: [] } : {};
  const select = (event) => change({ [name]: event.target.value, target: "predicted", ...own });
  const control = (attributes) => html`
    <select ...${attributes} value=${settings[name]} onChange=${select}>
      ${!chosen && html`<option value=${settings[name]}>${settings[name]}</option>`}
      ${models.map(({ id }) => html`<option value=${id}>${id}</option>`)}
    </select>
  `;
  const hint =
    chosen &&
    say("model_size", { task: chosen.task, layers: chosen.layers, heads: chosen.heads, tokens: chosen.max_tokens });
  return html`<${Field} ...${{ name, label, problem, control, hint }} />`;
}
