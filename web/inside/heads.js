// The importance of each attention head as a grid, and what changes without the largest ones. A head
// opens in the attention view.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { formatter, largest } from "../app/numbers.js";
import { Legend } from "../result/legend.js";
import { shade } from "../result/shade.js";

export function Heads({ result, shown, settings, change }) {
  const say = useSay();
  const { scores } = shown;
  const most = largest(scores.flat());
  const number = formatter(most);
  const open = (layer, head) => change({ panel: "attention", view: "matrix", layer, head });
  const button = (layer, head) => {
    const score = scores[layer][head];
    return html`
      <button
        type="button"
        aria-pressed=${layer === settings.layer && head === settings.head}
        aria-label=${`${say("head_name", { layer: layer + 1, head: head + 1 })}: ${number(score)}`}
        onClick=${() => open(layer, head)}
        ...${shade(score, most)}
      >
        ${number(score)}
      </button>
    `;
  };
  return html`
    <p class="soft">${say("heads_hint")}</p>
    <div class="beside">
      <${Grid} scores=${scores} button=${button} />
      <${Without} ablated=${result.inside.ablation.heads} button=${button} />
    </div>
    <${Legend} column=${{ most, signed: true, number }} />
  `;
}

function Grid({ scores, button }) {
  const say = useSay();
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("head_importance")}>
      <table class="heads-table">
        <caption class="hidden">${say("head_importance")}</caption>
        <thead>
          <tr>
            <th scope="col">${say("layer")}</th>
            ${scores[0].map((_, head) => html`<th scope="col" key=${head}>${say("head")} ${head + 1}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${scores.map(
            (row, layer) => html`
              <tr key=${layer}>
                <th scope="row">${layer + 1}</th>
                ${row.map((_, head) => html`<td key=${head}>${button(layer, head)}</td>`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** How much the output really changes without a head: the importance is an estimate of it. */
function Without({ ablated, button }) {
  const say = useSay();
  const most = largest(ablated.map(({ change }) => change));
  const number = formatter(most);
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("without_head")}>
      <table class="without">
        <caption>${say("without_head")}</caption>
        <thead>
          <tr><th scope="col">${say("head")}</th><th scope="col">${say("importance")}</th><th scope="col">${say("change")}</th></tr>
        </thead>
        <tbody>
          ${ablated.map(
            ({ layer, head, change }) => html`
              <tr key=${`${layer}.${head}`}>
                <th scope="row">${say("head_name", { layer: layer + 1, head: head + 1 })}</th>
                <td>${button(layer, head)}</td>
                <td class="number" ...${shade(change, most)}>${number(change)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}
