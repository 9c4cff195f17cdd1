// Labels with their probabilities as bars.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { percent, signed } from "../app/numbers.js";

/** Labels shown; some models have thousands. */
const SHOWN = 8;

export function Labels({ predictions, caption }) {
  const say = useSay();
  return html`
    <table class="labels">
      <caption class=${caption ? "" : "hidden"}>${caption ?? say("prediction")}</caption>
      <thead class="hidden">
        <tr><th scope="col">${say("label")}</th><th scope="col">${say("probability")}</th><th scope="col">${say("logit")}</th></tr>
      </thead>
      <tbody>
        ${predictions.slice(0, SHOWN).map(
          ({ label, index, token_str: text, probability, logit }, rank) => html`
            <tr key=${index} class=${rank === 0 ? "best" : ""}>
              <th scope="row"><bdi>${clean(text ?? label)}</bdi></th>
              <td class="number">
                <span class="share" style=${{ "--share": probability }} aria-hidden="true"></span>
                ${percent(probability)}
              </td>
              <td class="number soft" title=${say("logit")}>${signed(logit)}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
    ${predictions.length > SHOWN &&
    html`<p class="soft">${say("labels_left", { shown: SHOWN, all: predictions.length })}</p>`}
  `;
}
