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
  // An embedding model has no labels that a layer could predict.
  const offered = Object.keys(VIEWS).filter((view) => view !== "lens" || model.task !== "sentence-similarity");
  return html`
    ${offered.map((view) => html`<${View} key=${view} ...${{ view, settings, change }} />`)}
    <${Concepts} ...${{ settings, change }} />
  `;
}

function View({ view, settings, change }) {
  const say = useSay();
  const { result, problem } = useView({ inside: [view, ...(BESIDE[view] ?? [])] }, settings);
  const shown = result?.inside[view];
  const Show = VIEWS[view];
  return html`
    <section class=${`card inside ${view}`} aria-busy=${!shown && !problem}>
      <h2>${say(view)}</h2>
      ${problem && html`<${ProblemText} problem=${problem} />`}
      ${shown
        ? html`<${Show} ...${{ result, shown, settings, change }} />`
        : !problem && html`<p role="status">${say("loading")}</p>`}
    </section>
  `;
}
