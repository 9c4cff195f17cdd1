// How far the methods can be trusted, and whether they agree.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { shade } from "./shade.js";

export function Quality({ result, catalogue }) {
  const say = useSay();
  const { evaluation, agreement } = result;
  if (!evaluation) return null;
  return html`
    <section class="quality">
      <h2>${say("quality")}</h2>
      <${Measures} evaluation=${evaluation} measures=${catalogue.measures} />
      ${agreement?.length > 0 && html`<${Agreement} agreement=${agreement} />`}
    </section>
  `;
}

function Measures({ evaluation, measures }) {
  const say = useSay();
  const rows = Object.entries(evaluation);
  const used = measures.filter(({ name }) => rows.some(([, values]) => name in values));
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("measures")}>
      <table class="measures-table">
        <caption class="hidden">${say("measures")}</caption>
        <thead>
          <tr>
            <th scope="col">${say("method")}</th>
            ${used.map(
              ({ name, summary, better }) => html`
                <th scope="col" lang="en">
                  <abbr title=${`${summary} Better: ${better}.`}>${name.replaceAll("_", " ")}</abbr>
                </th>
              `,
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ([method, values]) => html`
              <tr key=${method}>
                <th scope="row"><code>${method}</code></th>
                ${used.map(({ name }) => html`<td class="number">${valueOf(values[name])}</td>`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function valueOf(value) {
  if (value === undefined) return "–";
  if (typeof value === "number") return short(value);
  return Object.entries(value).map(([name, part]) => html`<div>${name.replaceAll("_", " ")} ${short(part)}</div>`);
}

const short = (value) => (Math.abs(value) < 1e-6 ? "0" : value.toPrecision(3));

function Agreement({ agreement }) {
  const say = useSay();
  return html`
    <table class="agreement">
      <caption>${say("agreement")}</caption>
      <thead>
        <tr>
          <th scope="col">${say("methods")}</th>
          <th scope="col">${say("rank_correlation")}</th>
          <th scope="col">${say("same_top", { k: agreement[0].k })}</th>
        </tr>
      </thead>
      <tbody>
        ${agreement.map(
          ({ methods: [a, b], spearman, top_k_feature: same }) => html`
            <tr key=${`${a} ${b}`}>
              <th scope="row"><code>${a}</code> · <code>${b}</code></th>
              <td class="number" ...${shade(spearman ?? 0, 1)}>${spearman === undefined ? "–" : spearman.toFixed(2)}</td>
              <td class="number">${Math.round(100 * same)} %</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
