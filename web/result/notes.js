// Reasons to trust a result less.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";

export function Warnings({ result }) {
  const say = useSay();
  if (!result.warnings?.length) return null;
  return html`
    <div class="note" role="note" aria-label=${say("caution")}>
      <strong>${say("caution")}</strong>
      <ul lang="en">
        ${result.warnings.map(({ code, detail }) => html`<li key=${code}>${clean(detail)}</li>`)}
      </ul>
    </div>
  `;
}

/** How an explanation was computed, and whether it converged. */
export function Computation({ explanation, warnings = [] }) {
  const say = useSay();
  const { method, converged, convergence_delta: delta, n_steps: steps, n_samples: samples, finished, fit } = explanation;
  const notes = [];
  if (delta !== undefined) {
    const verdict = say(converged ? "converged" : "not_converged");
    notes.push(say("convergence", { delta: delta.toExponential(1), verdict }));
  } else if (converged !== undefined) {
    notes.push(say(converged ? "converged" : "not_converged"));
  }
  if (steps) notes.push(say("steps", { steps }));
  if (samples) notes.push(say(finished ? "samples" : "samples_unfinished", { samples }));
  if (fit) notes.push(say("fit", { r2: fit.r2.toFixed(2) }));
  const isOwn = ({ code, detail }) => code === "poor_fit" && new RegExp(`\\b${method}\\b`).test(detail);
  const fits = !warnings.some(isOwn);
  if (!fits) notes.push(say("poor_fit"));
  const poor = converged === false || finished === false || !fits;
  return notes.length > 0 && html`<p class=${poor ? "note" : "soft"}>${notes.join("; ")}</p>`;
}
