// The head of a table of differences.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";

export function Head({ first, names }) {
  const say = useSay();
  return html`
    <tr>
      <th scope="col">${first}</th>
      ${names.map((name) => html`<th scope="col" key=${name}><bdi>${clean(name)}</bdi></th>`)}
      <th scope="col">${say("difference")}</th>
    </tr>
  `;
}
