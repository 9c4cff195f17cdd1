// Entities of a token classifier, in their text.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";
import { Marked } from "./marked.js";

export function Entities({ result, settings }) {
  const say = useSay();
  const entities = result.entities.filter(({ segment }) => segment === 0);
  const label = ({ label, probability }) => `${label} ${percent(probability)}`;
  const marks = entities.map((entity) => ({ ...entity, label: label(entity) }));
  return html`
    ${!entities.length && html`<p>${say("no_entities")}</p>`}
    <${Marked} text=${settings.text} marks=${marks} />
  `;
}
