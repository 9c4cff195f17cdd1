// The strongest pairs of words of the methods that find interactions, as tables.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { formatter, largest } from "../app/numbers.js";
import { targetName } from "./columns.js";
import { shade } from "./shade.js";

const ROWS = 10;

export function Pairs({ result }) {
  const say = useSay();
  const found = result.explanations.filter(({ interactions }) => interactions);
  if (!found.length) return null;
  return html`
    <section class="pairs">
      <h2>${say("interactions")}</h2>
      ${found.map((explanation, index) => html`<${Table} key=${index} ...${{ result, explanation }} />`)}
    </section>
  `;
}

function Table({ result, explanation }) {
  const say = useSay();
  const { interactions, method, target } = explanation;
  const units = result[`${interactions.unit}s`];
  const pairs = (interactions.pairs ?? between(interactions, units)).slice(0, ROWS);
  const most = largest(pairs.map(({ score }) => score));
  const number = formatter(most, true);
  const errors = pairs.some((pair) => pair.standard_error > 0) && formatter(most, false);
  return html`
    <table>
      <caption>${say("interactions_of", { method })} <bdi>${targetName(target, result.tokens, say)}</bdi></caption>
      <thead>
        <tr>
          <th scope="col">${say("pair")}</th>
          <th scope="col">${say("score")}</th>
        </tr>
      </thead>
      <tbody>
        ${pairs.map(
          ({ units: [a, b], score, standard_error: error }) => html`
            <tr key=${`${a} ${b}`}>
              <th scope="row"><bdi>${clean(units[a].text)}</bdi> · <bdi>${clean(units[b].text)}</bdi></th>
              <td class="number" ...${shade(score, most)}>${number(score)}${errors && ` ± ${errors(error)}`}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

/** The pairs of a matrix between two texts, strongest first. */
function between({ unit, scores }, units) {
  const own = (segment) => units.flatMap((one, index) => (isOf(one, unit, segment) ? [index] : []));
  const [first, second] = [own(0), own(1)];
  const pairs = scores.flatMap((row, i) => row.map((score, j) => ({ units: [first[i], second[j]], score })));
  return pairs.sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
}

const isOf = (one, unit, segment) => one.segment === segment && !(unit === "token" && one.special);
