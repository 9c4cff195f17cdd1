// The answer in a sentence or two, which the service writes.

import { html, useContext } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { Language } from "../app/language.js";

export function Summary({ result }) {
  const language = useContext(Language);
  const summary = result.summary?.[language];
  return summary && html`<p class="summary" dir="auto">${clean(summary)}</p>`;
}
