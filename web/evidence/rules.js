// Rules that hold around the text: an anchor, or the paths of a decision tree.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";

export function Anchor({ result }) {
  const say = useSay();
  return result.rules.map(
    ({ rule, precision, precision_bounds: [low, high], coverage, breaks }) => html`
      <p class="verdict"><strong><bdi>${clean(rule)}</bdi></strong></p>
      <p>
        ${say("precision", { precision: percent(precision), low: percent(low), high: percent(high) })};
        ${" "}${say("coverage", { coverage: percent(coverage) })}
      </p>
      ${breaks.length > 0 && html`
        <h3>${say("breaks")}</h3>
        <ul class="texts">
          ${breaks.map(({ text, label }) => html`<li><bdi>${clean(text)}</bdi> <span class="tag">${clean(label)}</span></li>`)}
        </ul>
      `}
    `,
  );
}

export function Tree({ result }) {
  const say = useSay();
  return result.rules.map(
    ({ fidelity, majority_fidelity: majority, paths }) => html`
      <p>${say("fidelity", { fidelity: percent(fidelity), majority: percent(majority) })}</p>
      <table>
        <thead>
          <tr><th scope="col">${say("rule")}</th><th scope="col">${say("share")}</th><th scope="col">${say("confidence")}</th></tr>
        </thead>
        <tbody>
          ${paths.map(
            ({ rule, share, confidence }) => html`
              <tr key=${rule}>
                <th scope="row"><bdi>${clean(rule)}</bdi></th>
                <td class="number">${percent(share)}</td>
                <td class="number">${percent(confidence)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    `,
  );
}
