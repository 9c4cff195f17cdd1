// The fewest changes that flip the prediction.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";
import { Edited } from "./edited.js";

export function Counterfactuals({ result, use }) {
  const say = useSay();
  const { counterfactuals, reason } = result;
  if (!counterfactuals.length) return html`<p lang="en">${clean(reason ?? say("nothing_found"))}</p>`;
  return html`
    <ul class="texts">
      ${counterfactuals.map(
        ({ text, edits, prediction }) => html`
          <li key=${text}>
            <${Edited} text=${text} edits=${edits} />
            ${" "}<span class="tag">${clean(prediction.label)}</span>
            ${" "}<span class="soft">${percent(prediction.probability)}</span>
            ${" "}<button type="button" onClick=${() => use(text)}>${say("use_text")}</button>
          </li>
        `,
      )}
    </ul>
  `;
}
