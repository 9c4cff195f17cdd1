// The answer before and after the edits.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Difference } from "../compare/difference.js";

export function BeforeAndAfter({ edits, answer, catalogue }) {
  const say = useSay();
  return html`
    <section class="card edits" aria-live="polite">
      <h2>${say("before_after")}</h2>
      <${Difference} answers=${[edits.before, answer]} names=${[say("before"), say("after")]} catalogue=${catalogue} />
      <button type="button" onClick=${edits.undo}>${say("undo")}</button>
    </section>
  `;
}
