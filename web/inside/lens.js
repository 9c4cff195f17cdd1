// What the model would predict from the states after each layer.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";

/** Labels in the table of all; some models have thousands. */
const SHOWN = 8;

export function Lens({ shown }) {
  return shown.cosine ? html`<${Cosines} ...${shown} />` : html`<${Predictions} shown=${shown} />`;
}

/** The similarity of two texts, embedded from the states after each layer. */
function Cosines({ layers, cosine }) {
  const say = useSay();
  return html`
    <p class="soft">${say("lens_similarity_hint")}</p>
    <div class="wide" tabindex="0" role="region" aria-label=${say("lens_similarity")}>
      <table class="labels">
        <caption class="hidden">${say("lens_similarity")}</caption>
        <thead>
          <tr><th scope="col">${say("layer")}</th><th scope="col">${say("cosine")}</th></tr>
        </thead>
        <tbody>
          ${layers.map(
            (layer, index) => html`
              <tr key=${layer}>
                <th scope="row">${layer === 0 ? say("embeddings") : layer}</th>
                <td class="number">${cosine[index].toFixed(3)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function Predictions({ shown }) {
  const say = useSay();
  const { layers, predictions, decided_at: decided } = shown;
  const name = (layer) => (layer === 0 ? say("embeddings") : layer);
  return html`
    <p class="soft">${say("lens_hint", { layer: name(decided) })}</p>
    <div class="wide" tabindex="0" role="region" aria-label=${say("lens")}>
      <table class="labels">
        <caption class="hidden">${say("lens")}</caption>
        <thead>
          <tr><th scope="col">${say("layer")}</th><th scope="col">${say("prediction")}</th><th scope="col">${say("probability")}</th></tr>
        </thead>
        <tbody>
          ${layers.map((layer, index) => {
            const { label, probability } = best(predictions[index]);
            return html`
              <tr key=${layer} class=${layer >= decided ? "best" : ""}>
                <th scope="row">${name(layer)}</th>
                <td><bdi>${clean(label)}</bdi></td>
                <td class="number">${probability !== undefined && html`<${Share} probability=${probability} />`}</td>
              </tr>
            `;
          })}
        </tbody>
      </table>
    </div>
    <${AllLabels} ...${{ layers, predictions, name }} />
  `;
}

function Share({ probability }) {
  return html`
    <span class="share" style=${{ "--share": probability }} aria-hidden="true"></span>
    ${percent(probability)}
  `;
}

const isOfText = (prediction) => Array.isArray(prediction) && prediction[0]?.probability !== undefined;

/** The best label; of several tokens or masks, one after the other. */
function best(prediction) {
  if (!Array.isArray(prediction)) return { label: prediction.text, probability: prediction.probability };
  if (isOfText(prediction)) return prediction[0];
  const first = (part) => (part.predictions ?? part)[0];
  return { label: prediction.map((part) => first(part)?.token_str ?? first(part)?.label ?? "").join(" ") };
}

/** The probability of every label after every layer, in the order of the last one. */
function AllLabels({ layers, predictions, name }) {
  const say = useSay();
  const last = predictions.at(-1);
  if (!isOfText(last)) return null;
  const labels = last.slice(0, SHOWN);
  const of = (layer, index) => predictions[layer].find((one) => one.index === index);
  return html`
    <details>
      <summary>${say("all_labels")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${say("all_labels")}>
        <table class="grid-numbers">
          <thead>
            <tr>
              <th scope="col">${say("layer")}</th>
              ${labels.map(({ index, label }) => html`<th scope="col" key=${index}><bdi>${clean(label)}</bdi></th>`)}
            </tr>
          </thead>
          <tbody>
            ${layers.map(
              (layer, row) => html`
                <tr key=${layer}>
                  <th scope="row">${name(layer)}</th>
                  ${labels.map(({ index }) => html`<td key=${index} class="number">${of(row, index)?.probability.toFixed(4) ?? "–"}</td>`)}
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}
