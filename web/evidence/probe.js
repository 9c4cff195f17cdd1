// Changes that should not matter, and what they do to the prediction.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { signed } from "../app/numbers.js";
import { Edited } from "./edited.js";

export function Probe({ result, use }) {
  const say = useSay();
  if (!result.swaps.length) return html`<p>${say("no_swaps")}</p>`;
  return html`
    <ul class="texts">
      ${result.swaps.map(
        ({ property, text, edits, flipped, prediction, probability_shift: shift }) => html`
          <li key=${text} class=${flipped ? "flipped" : ""}>
            <span class="soft" lang="en">${property}:</span> <${Edited} text=${text} edits=${edits} />
            ${" "}<span class="tag">${clean(prediction.label)}</span>
            ${" "}<span class="soft">${say("shift", { shift: signed(shift) })}</span>
            ${flipped && html` <strong>${say("flipped")}</strong>`}
            ${" "}<button type="button" onClick=${() => use(text)}>${say("use_text")}</button>
          </li>
        `,
      )}
    </ul>
  `;
}
