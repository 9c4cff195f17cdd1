// The words of two answers, on one scale of colours, and the differences of their scores.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { formatter, largest } from "../app/numbers.js";
import { columnsOf } from "../result/columns.js";
import { Heat } from "../result/heat.js";
import { shade } from "../result/shade.js";
import { align } from "./align.js";
import { Head } from "./head.js";

export function Scores({ answers, names, catalogue }) {
  const columns = commonColumns(answers, catalogue);
  if (!columns) return null;
  return html`
    <div class="heats">
      ${answers.map(
        ({ result }, side) => html`
          <${Heat} key=${side} title=${names[side]} result=${result} units=${result.words} column=${columns[side]} />
        `,
      )}
    </div>
    <${Table} ...${{ answers, names, columns }} />
  `;
}

/** The columns of the first method that both have, on one scale; null if there is none. */
function commonColumns(answers, catalogue) {
  const lists = answers.map(({ result }) => columnsOf(result, "word", catalogue));
  const has = (list, name) => list.find(({ explanation }) => explanation.method === name);
  const method = lists[0].find(({ explanation }) => has(lists[1], explanation.method))?.explanation.method;
  if (!method) return null;
  const own = lists.map((list) => has(list, method));
  const most = Math.max(...own.map((column) => column.most));
  return own.map((column) => ({ ...column, most, number: formatter(most, column.signed) }));
}

function Table({ answers, names, columns }) {
  const say = useSay();
  const words = answers.map(({ result }) => result.words);
  const [{ number }] = columns;
  const scores = columns.map((column) => column.scores);
  const differences = align(...words).map((pair) => {
    const values = pair.map((index, side) => scores[side][index]);
    const word = words[0][pair[0]] ?? words[1][pair[1]];
    return { name: word.text, values, by: values.includes(undefined) ? undefined : values[1] - values[0] };
  });
  const most = largest(differences.map(({ by }) => by ?? 0));
  const change = formatter(columns[0].most);
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("difference")}>
      <table class="difference">
        <caption class="hidden">${say("difference")}</caption>
        <thead><${Head} first=${say("word")} names=${names} /></thead>
        <tbody>
          ${differences.map(
            ({ name, values, by }, row) => html`
              <tr key=${row} class=${by === undefined ? "changed" : ""}>
                <th scope="row"><bdi>${clean(name)}</bdi></th>
                ${values.map((score) => html`<td class="number">${score === undefined ? "–" : number(score)}</td>`)}
                <td class="number" ...${by === undefined ? {} : shade(by, most)}>${by === undefined ? "–" : change(by)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}
