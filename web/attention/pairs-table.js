// The strongest pairs of the chosen head as a table: the lines and the matrix in numbers.

import { html, useMemo } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { strongest } from "./pairs.js";

const ROWS = 20;

export function PairsTable({ attention, selection }) {
  const say = useSay();
  const { layer, head, token, threshold } = selection;
  const pairs = useMemo(
    () => strongest(attention, { layer, head, token, threshold }, ROWS),
    [attention, layer, head, token, threshold],
  );
  const name = (index) => `${index} ${clean(attention.tokens[index].text)}`;
  return html`
    <details>
      <summary>${say("strongest_pairs")}: ${say("layer")} ${layer + 1}${head >= 0 && `, ${say("head")} ${head + 1}`}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">${say("head")}</th>
            <th scope="col">${say("from")}</th>
            <th scope="col">${say("to")}</th>
            <th scope="col">${say("weight")}</th>
          </tr>
        </thead>
        <tbody>
          ${pairs.map(
            ({ query, key, head, weight }) => html`
              <tr key=${`${head} ${query} ${key}`}>
                <td>${head + 1}</td>
                <td><bdi>${name(query)}</bdi></td>
                <td><bdi>${name(key)}</bdi></td>
                <td class="number">${weight.toFixed(4)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </details>
  `;
}
