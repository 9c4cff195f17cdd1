// What a masked language model fills in.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Labels } from "./labels.js";

export function Masks({ result }) {
  const say = useSay();
  if (!result.masks.length) return html`<p>${say("no_mask")}</p>`;
  return result.masks.map(
    ({ token, predictions }, index) => html`
      <${Labels} key=${token} predictions=${predictions} caption=${say("mask", { number: index + 1 })} />
    `,
  );
}
