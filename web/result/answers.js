// The answer to a question, in its passage.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";
import { percent } from "../app/numbers.js";
import { Marked } from "./marked.js";

export function Answers({ result, settings }) {
  const say = useSay();
  const { answer } = result;
  const marks = answer.text ? [{ ...answer, label: percent(answer.probability) }] : [];
  return html`
    <p class="verdict">
      ${say("answer")}: <strong><bdi>${clean(answer.text || say("no_answer"))}</bdi></strong>
      ${" "}(${percent(answer.probability)})
    </p>
    <${Marked} text=${settings.pair || settings.text} marks=${marks} />
  `;
}
