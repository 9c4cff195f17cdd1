// Scores as bars: the length of a word and its neighbours do not mislead here, as they do with
// colours. All bars of a method have one scale. It is also the table of all numbers.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { targetName } from "./columns.js";
import { shade } from "./shade.js";

export function Bars({ result, units, columns, order }) {
  const say = useSay();
  const several = new Set(columns.map(({ explanation }) => explanation.method)).size < columns.length;
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("scores")}>
      <table class="bars" style=${{ "--columns": columns.length }}>
        <caption class="hidden">${say("scores")}</caption>
        <thead>
          <tr>
            <th scope="col">${say("word")}</th>
            ${columns.map(
              ({ index, explanation }) => html`
                <th scope="col" key=${index}>
                  <code>${explanation.method}</code>
                  ${several && html` <span class="soft">${targetName(explanation.target, result.tokens, say)}</span>`}
                </th>
              `,
            )}
          </tr>
        </thead>
        <tbody>
          ${ordered(units, columns, order).map(
            (index) => html`
              <tr key=${index}>
                <th scope="row"><bdi>${clean(units[index].text)}</bdi></th>
                ${columns.map((column) => html`<${Bar} key=${column.index} score=${column.scores[index]} column=${column} />`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function ordered(units, columns, order) {
  const indexes = units.map((_, index) => index);
  if (order !== "strength") return indexes;
  const { scores } = columns[0];
  return indexes.sort((a, b) => Math.abs(scores[b]) - Math.abs(scores[a]));
}

function Bar({ score, column }) {
  return html`
    <td>
      <span class="measure" data-signed=${column.signed} dir="ltr">
        <span class="bar" ...${shade(score, column.most, column.signed)} aria-hidden="true"></span>
        <span class="value">${column.number(score)}</span>
      </span>
    </td>
  `;
}
