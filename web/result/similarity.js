// The similarity of two texts, and which tokens contribute to it.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { formatter, largest, signed } from "../app/numbers.js";
import { shade } from "./shade.js";

export function Similarity({ result }) {
  const say = useSay();
  const { cosine, embedding, matrix } = result.similarity;
  if (cosine === undefined) return html`<p>${say("embedded", { size: embedding.length })}</p>`;
  return html`
    <p class="verdict">${say("cosine")}: <strong>${signed(cosine)}</strong></p>
    ${matrix && html`<${Contributions} tokens=${result.tokens} matrix=${matrix} />`}
  `;
}

function Contributions({ tokens, matrix }) {
  const say = useSay();
  const [rows, columns] = [0, 1].map((segment) => sideOf(tokens, segment, matrix));
  const most = largest(matrix.flat());
  const number = formatter(most);
  return html`
    <details>
      <summary>${say("contributions")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${say("contributions")}>
        <table class="grid-numbers">
          <thead>
            <tr><td></td>${columns.map((text) => html`<th scope="col"><bdi>${text}</bdi></th>`)}</tr>
          </thead>
          <tbody>
            ${matrix.map(
              (scores, row) => html`
                <tr>
                  <th scope="row"><bdi>${rows[row]}</bdi></th>
                  ${scores.map((score) => html`<td class="number" ...${shade(score, most)}>${number(score)}</td>`)}
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}

/** Names of the rows or columns; special tokens may be among them or not. */
function sideOf(tokens, segment, matrix) {
  const size = segment === 0 ? matrix.length : matrix[0]?.length;
  const own = tokens.filter((token) => token.segment === segment);
  const side = own.length === size ? own : own.filter(({ special }) => !special);
  return side.map(({ text }) => clean(text));
}
