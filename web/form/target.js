// The output to explain: a label, or one label rather than another.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { contrast } from "../service/body.js";
import { Field } from "./field.js";

/** Labels offered; some models have thousands. */
const OFFERED = 12;

export function TargetField({ model, answer, settings, change, problem }) {
  const say = useSay();
  const options = offered(model, answer);
  if (options.length < 2) return null;
  const known = options.some(({ value }) => value === settings.target);
  const control = (attributes) => html`
    <select
      ...${attributes}
      value=${settings.target}
      onChange=${(event) => change({ target: event.target.value })}
    >
      ${!known && html`<option value=${settings.target}>${clean(settings.target)}</option>`}
      ${options.map(({ value, a, b }) => {
        const name = a ? (b ? say("rather_than", { a: clean(a), b: clean(b) }) : clean(a)) : say("target_predicted");
        return html`<option value=${value}>${name}</option>`;
      })}
    </select>
    <label class="check">
      <input
        type="checkbox"
        checked=${settings.output === "probability"}
        onChange=${(event) => change({ output: event.target.checked ? "probability" : "logit" })}
      />
      ${say("as_probability")}
    </label>
  `;
  return html`<${Field} name="target" label=${say("target")} ...${{ problem, control }} />`;
}

function offered(model, answer) {
  const options = [{ value: "predicted" }];
  if (model?.task !== "text-classification" && model?.task !== "next-sentence-prediction") return options;
  const ranked = answer?.result.predictions?.map(({ label }) => label) ?? model.labels;
  const labels = ranked.slice(0, OFFERED);
  options.push(...[...labels].sort().map((label) => ({ value: label, a: label })));
  const [best, ...others] = labels;
  options.push(...others.map((other) => ({ value: contrast(best, other), a: best, b: other })));
  return options;
}
