// Two texts or two models side by side.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Difference } from "./difference.js";

export function Comparison({ answers, settings, catalogue }) {
  const say = useSay();
  const names =
    settings.versus === "model" ? answers.map(({ model }) => model.id) : [say("this_text"), say("other_text")];
  return html`
    <section class="card comparison">
      <h2>${say("comparison")}</h2>
      <${Difference} answers=${answers} names=${names} catalogue=${catalogue} />
    </section>
  `;
}
