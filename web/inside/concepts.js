// Where the text lies along concepts after each layer, and how the output depends on them.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { formatter, largest, signed } from "../app/numbers.js";
import { ProblemText } from "../form/problem.js";
import { useConcepts } from "../service/concepts.js";
import { Plot } from "./plot.js";
import { useView } from "./use-view.js";

export function Concepts({ settings, change }) {
  const say = useSay();
  const chosen = settings.concepts;
  const listed = useConcepts(settings.model);
  const { result, problem } = useView(chosen.length ? { concepts: chosen } : null, settings);
  const stored = listed.concepts ?? [];
  // A link may name concepts that are gone: they can be unchecked.
  const names = [...new Set([...stored.map(({ name }) => name), ...chosen])];
  if (!names.length && !listed.problem) return null;
  const wrong = listed.problem ?? problem;
  return html`
    <section class="card inside concepts" aria-busy=${chosen.length > 0 && !result && !wrong}>
      <h2>${say("concepts")}</h2>
      <p class="soft">${say("concepts_hint")}</p>
      <${Choice} ...${{ names, chosen, change }} />
      ${wrong && html`<${ProblemText} problem=${wrong} />`}
      ${result?.concepts.map(
        (located) => html`
          <${Located} key=${located.name} located=${located} concept=${stored.find(({ name }) => name === located.name)} />
        `,
      )}
      ${chosen.length > 0 && !result && !wrong && html`<p role="status">${say("loading")}</p>`}
    </section>
  `;
}

function Choice({ names, chosen, change }) {
  const say = useSay();
  const toggle = (name) => {
    const others = chosen.filter((other) => other !== name);
    change({ concepts: others.length < chosen.length ? others : [...chosen, name] });
  };
  return html`
    <fieldset class="choice">
      <legend class="hidden">${say("concepts_of_model")}</legend>
      ${names.map(
        (name) => html`
          <label class="check" key=${name}>
            <input type="checkbox" name="concept" value=${name} checked=${chosen.includes(name)} onChange=${() => toggle(name)} />
            <span><bdi>${clean(name)}</bdi></span>
          </label>
        `,
      )}
    </fieldset>
  `;
}

/** One concept: two plots over the layers, and a table of the same numbers. */
function Located({ located, concept }) {
  const say = useSay();
  const { name, layer, layers } = located;
  const values = (field) => layers.map((place) => ({ layer: place.layer, value: place[field] }));
  const number = formatter(largest(layers.map(({ sensitivity }) => sensitivity)));
  const label = (field) => say("concept_plot_label", { field: say(field), name, layers: layers.length });
  const marks = [[1, name], [0, ""], [-1, say("concept_contrast")]];
  return html`
    <figure class="concept" aria-label=${name}>
      <figcaption><h3><bdi>${name}</bdi></h3> ${concept && html`<${Learned} concept=${concept} />`}</figcaption>
      <div class="beside">
        <${Plot} title=${say("position")} label=${label("position")} points=${values("position")} own=${layer} marks=${marks} />
        <${Plot} title=${say("sensitivity")} label=${label("sensitivity")} points=${values("sensitivity")} own=${layer} marks=${[[0, "0"]]} />
      </div>
      <${Table} ...${{ located, number }} />
    </figure>
  `;
}

/** How good the concept is, by the texts that it was learned from. */
function Learned({ concept }) {
  const say = useSay();
  const { mean_difference: { auc }, tcav } = concept.layers[concept.layer - 1];
  const { label } = concept.target ?? {};
  const verdict = say(tcav.significant ? "concept_matters" : "concept_does_not_matter", { target: label ?? say("output") });
  return html`<span class="soft">${say("concept_separates", { layer: concept.layer, auc: auc.toFixed(2) })} ${verdict} (p = ${tcav.p_value.toFixed(3)}).</span>`;
}

function Table({ located, number }) {
  const say = useSay();
  return html`
    <details>
      <summary>${say("as_table")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${`${located.name}: ${say("as_table")}`}>
        <table class="grid-numbers">
          <caption class="hidden">${located.name}</caption>
          <thead>
            <tr><th scope="col">${say("layer")}</th><th scope="col">${say("position")}</th><th scope="col">${say("sensitivity")}</th></tr>
          </thead>
          <tbody>
            ${located.layers.map(
              ({ layer, position, sensitivity }) => html`
                <tr key=${layer} class=${layer === located.layer ? "best" : ""}>
                  <th scope="row">${layer}${layer === located.layer && html` <span class="soft">${say("concept_best_layer")}</span>`}</th>
                  <td class="number">${signed(position, 2)}</td>
                  <td class="number">${number(sensitivity)}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}
