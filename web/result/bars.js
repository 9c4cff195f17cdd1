// Scores as bars: the length of a word and its neighbours do not mislead here, as they do with
// colours. All bars of a method have one scale. It is also the table of all numbers.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { largest } from "../app/numbers.js";
import { scoreText, targetName } from "./columns.js";
import { shade } from "./shade.js";

export function Bars({ result, units, columns, order }) {
  const say = useSay();
  const several = new Set(columns.map(({ explanation }) => explanation.method)).size < columns.length;
  const errors = columns.some((column) => column.errors);
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("scores")}>
      <table class="bars" style=${{ "--columns": columns.length }}>
        <caption class=${errors ? "" : "hidden"}>${say(errors ? "standard_error" : "scores")}</caption>
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
                ${columns.map((column) => html`<${Bar} key=${column.index} ...${{ index, column }} />`)}
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

function Bar({ index, column }) {
  const { scores, errors, signed } = column;
  const reach = reachOf(column);
  return html`
    <td>
      <span class="measure" data-signed=${signed} data-errors=${errors !== undefined} dir="ltr">
        <span class="track" aria-hidden="true">
          <span class="bar" ...${shade(scores[index], reach, signed)}></span>
          ${errors && html`<span class="error" style=${range(scores[index], errors[index], reach, signed)}></span>`}
        </span>
        <span class="value">${scoreText(column, index)}</span>
      </span>
    </td>
  `;
}

/** The magnitude at the end of the track: that of the largest score, with its standard error. */
const reachOf = ({ scores, errors, most }) =>
  errors ? largest(scores.map((score, index) => Math.abs(score) + errors[index])) : most;

/** Where the line from a score minus its standard error to the score plus it lies, as shares of the track. */
function range(score, error, reach, signed) {
  const least = signed ? -1 : 0;
  const share = (value) => (Math.max(least, value / reach) - least) / (1 - least);
  const middle = signed ? score : Math.abs(score);
  const from = share(middle - error);
  return { "--from": from.toFixed(4), "--length": (share(middle + error) - from).toFixed(4) };
}
