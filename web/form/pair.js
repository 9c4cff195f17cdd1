// The second text: always there for tasks of two texts, else on demand.

import { html, useState } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { needsPair, pairLabel } from "./tasks.js";
import { TextField } from "./text.js";

export function PairField({ model, settings, ...own }) {
  const say = useSay();
  const [added, setAdded] = useState(false);
  if (needsPair(model) || settings.pair || added) {
    return html`<${TextField} name="pair" label=${say(pairLabel(model))} settings=${settings} ...${own} />`;
  }
  return html`<button type="button" class="link" onClick=${() => setAdded(true)}>${say("add_pair")}</button>`;
}
