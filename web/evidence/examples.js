// Labelled texts that the model sees as similar.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { languageOf, useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";

export function Examples({ result }) {
  const say = useSay();
  const { neighbours, dissent, agreement, typicality, credibility } = result;
  const facts = [
    [say("same_label"), agreement],
    [say("typicality"), typicality],
    [say("credibility"), credibility],
  ].filter(([, value]) => value !== undefined);
  return html`
    <p>${facts.map(([name, value]) => `${name}: ${percent(value)}`).join("; ")}</p>
    <ul class="texts">
      ${neighbours.map((one) => html`<${Neighbour} key=${one.id} ...${one} />`)}
    </ul>
    ${dissent && html`
      <h3>${say("dissent")}</h3>
      <ul class="texts"><${Neighbour} ...${dissent} /></ul>
    `}
  `;
}

function Neighbour({ text, label, similarity }) {
  return html`
    <li>
      <span dir="auto" lang=${languageOf(text)}>${clean(text)}</span>
      ${" "}<span class="tag">${clean(label)}</span> <span class="soft">${similarity.toFixed(3)}</span>
    </li>
  `;
}
