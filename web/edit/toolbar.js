// What can be done with a word: drop it, mask it, replace it.

import { html, useEffect, useRef, useState } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";

export function Toolbar({ word, columns, index, edits, model, onClose }) {
  const say = useSay();
  const text = clean(word.text);
  const [other, change] = useState("");
  const first = useRef(null);
  // Focus follows the choice of a word, so that the keyboard reaches its changes.
  useEffect(() => first.current?.focus(), [word.start, word.segment]);
  const edit = (replacement) => {
    edits.edit(word, replacement);
    change("");
    onClose();
  };
  const submit = (event) => {
    event.preventDefault();
    if (other.trim()) edit(other.trim());
  };
  const mask = model?.tokenizer?.special_tokens?.mask_token;
  const scores = columns.map(({ explanation, scores, number }) => `${explanation.method} ${number(scores[index])}`);
  return html`
    <form
      class="toolbar"
      aria-label=${say("change_word", { word: text })}
      onSubmit=${submit}
      onKeyDown=${(event) => event.key === "Escape" && onClose()}
    >
      <span><strong><bdi>${text}</bdi></strong> <span class="soft">${scores.join(", ")}</span></span>
      <button type="button" ref=${first} onClick=${() => edit("")}>${say("drop")}</button>
      ${mask && html`<button type="button" onClick=${() => edit(mask)}>${say("mask_word")}</button>`}
      <label>
        <span class="hidden">${say("replacement")}</span>
        <input
          size="12"
          dir="auto"
          placeholder=${say("replacement")}
          value=${other}
          onInput=${(event) => change(event.target.value)}
        />
      </label>
      <button type="submit">${say("replace")}</button>
      <button type="button" onClick=${onClose}>${say("close")}</button>
    </form>
  `;
}
