// Texts to start with.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { EXAMPLES } from "./example-texts.js";

export function Examples({ models, change }) {
  const say = useSay();
  const offered = EXAMPLES.filter(({ task, model }) =>
    models.some((one) => (model ? one.id === model : one.task === task)),
  );
  const choose = (event) => {
    const example = offered[event.target.value];
    event.target.value = "";
    if (!example) return;
    const model = example.model ?? models.find(({ task }) => task === example.task).id;
    change({ text: example.text, pair: example.pair ?? "", model, target: "predicted", versus: "" });
  };
  if (!offered.length) return null;
  return html`
    <label class="examples">
      <span class="hidden">${say("examples")}</span>
      <select value="" onChange=${choose}>
        <option value="">${say("examples")}…</option>
        ${offered.map(
          ({ text, why }, index) => html`<option value=${index}>${text} (${say(`example_${why}`)})</option>`,
        )}
      </select>
    </label>
  `;
}
