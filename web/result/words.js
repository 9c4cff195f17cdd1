// Words coloured by their scores, with bars of one scale below them.

import { html, useState } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Bars } from "./bars.js";
import { columnsOf, unitsOf } from "./columns.js";
import { Heat } from "./heat.js";
import { Toolbar } from "../edit/toolbar.js";

export function Words({ result, catalogue, model, settings, change, edits }) {
  const say = useSay();
  const [chosen, choose] = useState(-1);
  const unit = settings.unit === "token" ? "token" : "word";
  const units = unitsOf(result, unit);
  const columns = columnsOf(result, unit, catalogue);
  const own = { result, units, columns };
  // Words of an earlier text may be gone.
  const word = unit === "word" ? units[chosen] : undefined;
  if (!columns.length) return html`<p>${say("no_methods")}</p>`;
  return html`
    <div class="heats">
      ${columns.map(
        (column) => html`<${Heat} key=${column.index} ...${own} column=${column} chosen=${chosen} onChoose=${choose} />`,
      )}
    </div>
    ${word && html`<${Toolbar} ...${{ word, index: chosen, columns, edits, model }} onClose=${() => choose(-1)} />`}
    <div class="row controls">
      <label class="check">
        <input
          type="checkbox"
          checked=${unit === "token"}
          onChange=${(event) => change({ unit: event.target.checked ? "token" : "word" })}
        />
        ${say("tokens")}
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked=${settings.order === "strength"}
          onChange=${(event) => change({ order: event.target.checked ? "strength" : "text" })}
        />
        ${say("strongest_first")}
      </label>
    </div>
    <${Bars} ...${own} order=${settings.order} />
  `;
}
