// A text to explain.

import { html } from "../app/ui.js";
import { Field } from "./field.js";

/** `setting` is the setting that the field changes, if it is not named like the field. */
export function TextField({ name, label, settings, change, problem, onSubmit, setting = name }) {
  // Enter is a new line in a text; with Ctrl or Command it explains.
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onSubmit(event);
  };
  const control = (attributes) => html`
    <textarea
      ...${attributes}
      dir="auto"
      rows="3"
      spellcheck=${false}
      value=${settings[setting]}
      onInput=${(event) => change({ [setting]: event.target.value })}
      onKeyDown=${onKeyDown}
    ></textarea>
  `;
  return html`<${Field} ...${{ name, label, problem, control }} />`;
}
