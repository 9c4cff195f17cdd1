// Predictions and scores of two answers, and their difference.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { signed } from "../app/numbers.js";
import { Head } from "./head.js";
import { Scores } from "./scores.js";

/** Labels compared; some models have thousands. */
const LABELS = 6;

export function Difference({ answers, names, catalogue }) {
  const say = useSay();
  const rows = [...predictionRows(answers), ...cosineRow(answers, say)];
  return html`
    ${rows.length > 0 && html`<${Predictions} rows=${rows} names=${names} />`}
    <${Scores} answers=${answers} names=${names} catalogue=${catalogue} />
  `;
}

/** The probability of each label in both. */
function predictionRows(answers) {
  const lists = answers.map(({ result }) => result.predictions ?? []);
  // Token classifiers have a list per token.
  if (lists.some((list) => Array.isArray(list[0]))) return [];
  const labels = [...new Set(lists.flatMap((list) => list.map(({ label }) => label)))].slice(0, LABELS);
  const probability = (list, label) => list.find((one) => one.label === label)?.probability;
  return labels.map((name) => ({ name, values: lists.map((list) => probability(list, name)) }));
}

function cosineRow(answers, say) {
  const values = answers.map(({ result }) => result.similarity?.cosine);
  return values.includes(undefined) ? [] : [{ name: say("cosine"), values }];
}

function Predictions({ rows, names }) {
  const say = useSay();
  return html`
    <table class="difference">
      <caption class="hidden">${say("prediction")}</caption>
      <thead><${Head} first=${say("label")} names=${names} /></thead>
      <tbody>
        ${rows.map(
          ({ name, values }) => html`
            <tr key=${name}>
              <th scope="row"><bdi>${clean(name)}</bdi></th>
              ${values.map((value) => html`<td class="number">${value === undefined ? "–" : value.toFixed(3)}</td>`)}
              <td class="number">${values.includes(undefined) ? "–" : signed(values[1] - values[0])}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
