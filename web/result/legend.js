// The scale of a column's colours and bars.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { shade } from "./shade.js";

export function Legend({ column }) {
  const say = useSay();
  const { most, signed, number } = column;
  const shares = signed ? [-1, -0.5, 0, 0.5, 1] : [0, 0.5, 1];
  return html`
    <p class="legend soft">
      <span>${say(signed ? "legend_signed" : "legend_unsigned")}</span>
      <span class="swatches" dir="ltr">
        ${shares.map((share) => html`<span class="swatch" ...${shade(share * most, most, signed)}>${number(share * most)}</span>`)}
      </span>
    </p>
  `;
}
