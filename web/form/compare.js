// The choice of what to compare with: another text, or another model.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { ModelField } from "./model.js";
import { TextField } from "./text.js";
import { pairLabel } from "./tasks.js";

const KINDS = ["", "text", "model"];

export function Compare({ models, model, settings, change, onSubmit }) {
  const say = useSay();
  const choose = (versus) => change(versus === "text" ? copies(settings) : { versus });
  const own = { settings, change, onSubmit };
  return html`
    <fieldset class="compare">
      <legend>${say("compare")}</legend>
      ${KINDS.map(
        (kind) => html`
          <label class="check" key=${kind}>
            <input
              type="radio"
              name="versus"
              value=${kind}
              checked=${settings.versus === kind}
              onChange=${() => choose(kind)}
            />
            ${say(`versus_${kind || "nothing"}`)}
          </label>
        `,
      )}
    </fieldset>
    ${settings.versus === "text" && html`<${TextField} name="text2" label=${say("other_text")} ...${own} />`}
    ${settings.versus === "text" && settings.pair &&
    html`<${TextField} name="pair2" label=${say(pairLabel(model))} ...${own} />`}
    ${settings.versus === "model" &&
    html`<${ModelField} name="model2" label=${say("other_model")} models=${models} ...${own} />`}
  `;
}

/** The other text starts as a copy, to be changed. */
const copies = (settings) => ({
  versus: "text",
  text2: settings.text2 || settings.text,
  pair2: settings.pair2 || settings.pair,
});
