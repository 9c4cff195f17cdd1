// Inside the model: what is predicted after each layer, the words' scores at each layer, the
// importance of the attention heads, and where the text lies along concepts.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Concepts } from "./concepts.js";
import { Conductance } from "./conductance.js";
import { Heads } from "./heads.js";
import { Lens } from "./lens.js";
import { useView } from "./use-view.js";
import { ProblemText } from "../form/problem.js";

const VIEWS = { lens: Lens, conductance: Conductance, head_importance: Heads };

/** What is shown beside a view. */
const BESIDE = { head_importance: ["ablation"] };

export function InsidePanel({ model, settings, change }) {
  // An embedding model has no labels that a layer could predict: its texts are compared.
  const lens = model.task === "sentence-similarity" ? "similarity" : "lens";
  const field = (view) => (view === "lens" ? lens : view);
  return html`
    ${Object.keys(VIEWS).map(
      (view) => html`<${View} key=${view} ...${{ view, field: field(view), settings, change }} />`,
    )}
    <${Concepts} ...${{ settings, change }} />
  `;
}

/** `field` is the one of the result's `inside` that the view is in. */
function View({ view, field, settings, change }) {
  const say = useSay();
  const { result, problem } = useView({ inside: [view, ...(BESIDE[view] ?? [])] }, settings);
  const shown = result?.inside[field];
  const Show = VIEWS[view];
  return html`
    <section class=${`card inside ${view}`} aria-busy=${!shown && !problem}>
      <h2>${say(field === "similarity" ? "lens_similarity" : view)}</h2>
      ${problem && html`<${ProblemText} problem=${problem} />`}
      ${shown
        ? html`<${Show} ...${{ result, shown, settings, change }} />`
        : !problem && html`<p role="status">${say("loading")}</p>`}
    </section>
  `;
}
