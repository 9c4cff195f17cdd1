// A labelled field with the problem that points at it.

import { html } from "../app/ui.js";
import { ProblemText } from "./problem.js";
import { fieldOf } from "../service/problem.js";

/** `control` gets the attributes that connect it to its label and problem. */
export function Field({ name, label, problem, control, hint }) {
  const own = fieldOf(problem) === name ? problem : null;
  const attributes = {
    id: `field-${name}`,
    "aria-invalid": own ? "true" : undefined,
    "aria-describedby": own ? `problem-${name}` : undefined,
  };
  return html`
    <div class=${`field field-${name}`}>
      <label for=${attributes.id}>${label}</label>
      ${control(attributes)}
      ${hint && html`<p class="soft">${hint}</p>`}
      ${own && html`<${ProblemText} problem=${own} id=${`problem-${name}`} />`}
    </div>
  `;
}
