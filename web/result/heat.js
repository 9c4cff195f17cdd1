// One method's scores as colours of the text.

import { html, useId } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { languageOf, useSay } from "../app/language.js";
import { scoreText, targetName } from "./columns.js";
import { Legend } from "./legend.js";
import { Computation } from "./notes.js";
import { shade } from "./shade.js";

/** `title` names the text if it is one of several; words can be chosen if there is `onChoose`. */
export function Heat({ result, units, column, title, chosen, onChoose }) {
  const say = useSay();
  const caption = useId();
  const { explanation } = column;
  const segments = Object.values(Object.groupBy(units.map((unit, index) => ({ unit, index })), ({ unit }) => unit.segment));
  const own = { column, chosen, onChoose };
  return html`
    <figure class="heat" aria-labelledby=${caption}>
      <figcaption id=${caption}>
        ${title && html`<strong><bdi>${clean(title)}</bdi></strong> `}
        <code>${explanation.method}</code>
        ${" "}<span class="soft">${say("of_target", { target: targetName(explanation.target, result.tokens, say) })}</span>
      </figcaption>
      ${segments.map((pieces) => html`<${Segment} pieces=${pieces} ...${own} />`)}
      <${Legend} column=${column} />
      <${Computation} explanation=${explanation} warnings=${result.warnings} />
    </figure>
  `;
}

function Segment({ pieces, ...own }) {
  const text = pieces.map(({ unit }) => unit.text).join("");
  let end = pieces[0].unit.start;
  return html`
    <p class="text" dir="auto" lang=${languageOf(text)}>
      ${pieces.map(({ unit, index }) => {
        const spaced = unit.start > end || unit.special !== undefined;
        end = unit.end;
        return html`${spaced ? " " : ""}<${Word} key=${index} ...${{ unit, index }} ...${own} />`;
      })}
    </p>
  `;
}

/** A word is a button: focus, touch and the pointer show its number, and a click chooses it. */
function Word({ unit, index, column, chosen, onChoose }) {
  const score = column.scores[index];
  const number = scoreText(column, index);
  const text = clean(unit.text);
  return html`
    <button
      type="button"
      class="word"
      data-word=${text}
      data-score=${score}
      aria-pressed=${onChoose && index === chosen}
      onClick=${() => onChoose?.(index === chosen ? -1 : index)}
      ...${shade(score, column.most, column.signed)}
      ><span>${text}</span><span class="hidden"> ${number}</span
      ><span class="score" dir="ltr" aria-hidden="true">${number}</span></button
    >
  `;
}
