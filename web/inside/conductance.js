// The score of each word after each layer, as a picture and as a table.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { formatter, largest } from "../app/numbers.js";
import { Legend } from "../result/legend.js";
import { shade } from "../result/shade.js";

export function Conductance({ result, shown }) {
  const say = useSay();
  const { word: scores, converged, convergence_delta: delta, n_steps: steps } = shown;
  const most = largest(scores.flat());
  const own = { words: result.words, layers: shown.layers, scores, most, number: formatter(most) };
  const verdict = say(converged ? "converged" : "not_converged");
  return html`
    <p class="soft">${say("conductance_hint")}</p>
    <${Picture} ...${own} />
    <${Legend} column=${{ ...own, signed: true }} />
    <p class=${converged ? "soft" : "note"}>
      ${say("convergence", { delta: delta.toExponential(1), verdict })}; ${say("steps", { steps })}
    </p>
    <${Table} ...${own} />
  `;
}

/** One row per layer and one cell per word. */
function Picture({ words, layers, scores, most, number }) {
  const say = useSay();
  const label = say("conductance_label", { layers: layers.length, words: words.length });
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${say("conductance")}>
      <div class="heat-map" role="img" aria-label=${label} style=${{ "--columns": words.length }}>
        <span></span>
        ${words.map(({ text }, index) => html`<span class="name" key=${index}><bdi>${clean(text)}</bdi></span>`)}
        ${layers.map(
          (layer, row) => html`
            <span class="number">${layer}</span>
            ${words.map(({ text }, index) => {
              const score = scores[row][index];
              const title = `${say("layer")} ${layer}, ${clean(text)}: ${number(score)}`;
              return html`<span class="cell" key=${index} title=${title} ...${shade(score, most)}></span>`;
            })}
          `,
        )}
      </div>
    </div>
  `;
}

function Table({ words, layers, scores, most, number }) {
  const say = useSay();
  return html`
    <details>
      <summary>${say("as_table")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${say("as_table")}>
        <table class="grid-numbers">
          <caption class="hidden">${say("conductance")}</caption>
          <thead>
            <tr>
              <th scope="col">${say("word")}</th>
              ${layers.map((layer) => html`<th scope="col" key=${layer}>${say("layer")} ${layer}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${words.map(
              ({ text }, index) => html`
                <tr key=${index}>
                  <th scope="row"><bdi>${clean(text)}</bdi></th>
                  ${scores.map((row, layer) => html`<td key=${layer} class="number" ...${shade(row[index], most)}>${number(row[index])}</td>`)}
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}
