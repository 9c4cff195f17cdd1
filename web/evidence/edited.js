// A text that was edited, with its edits.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { languageOf } from "../app/language.js";

/** Edits are {from, to}. */
export function Edited({ text, edits }) {
  return html`
    <span dir="auto" lang=${languageOf(text)}>${clean(text)}</span>
    ${edits.map(
      ({ from, to, start }) => html`
        <span class="change" key=${start}>
          <del><bdi>${clean(from.trim() || "∅")}</bdi></del> → <ins><bdi>${clean(to.trim() || "∅")}</bdi></ins>
        </span>
      `,
    )}
  `;
}
