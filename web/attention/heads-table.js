// The pattern of each head as a table, from which a head can be opened.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";

export function HeadsTable({ attention, patterns, selection, change }) {
  const say = useSay();
  const { layers, heads } = attention;
  if (!patterns) return null;
  const rows = Array.from({ length: layers }, (_, layer) => patterns.filter((one) => one.layer === layer));
  return html`
    <details>
      <summary>${say("heads_table")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${say("heads_table")}>
        <table class="heads-table">
          <thead>
            <tr>
              <th scope="col">${say("layer")}</th>
              ${Array.from({ length: heads }, (_, head) => html`<th scope="col" key=${head}>${say("head")} ${head + 1}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              (row, layer) => html`
                <tr key=${layer}>
                  <th scope="row">${layer + 1}</th>
                  ${row.map(({ head, pattern, score }) => {
                    const chosen = layer === selection.layer && head === selection.head;
                    return html`
                      <td key=${head}>
                        <button type="button" aria-pressed=${chosen} onClick=${() => change({ view: "matrix", layer, head })}>
                          <span lang="en">${pattern}</span> ${score.toFixed(2)}
                        </button>
                      </td>
                    `;
                  })}
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}
