// A text with some ranges marked.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { languageOf } from "../app/language.js";

/** `marks` are {start, end, label}, in code points and in order; overlapping ones are left out. */
export function Marked({ text, marks }) {
  const points = [...text];
  const parts = [];
  let at = 0;
  for (const { start, end, label } of marks) {
    if (start < at) continue;
    parts.push(clean(points.slice(at, start).join("")));
    const inside = clean(points.slice(start, end).join(""));
    parts.push(html`<mark><bdi>${inside}</bdi> <span class="tag">${clean(label)}</span></mark>`);
    at = end;
  }
  parts.push(clean(points.slice(at).join("")));
  return html`<p class="marked" dir="auto" lang=${languageOf(text)}>${parts}</p>`;
}
