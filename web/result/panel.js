// The answer in words: prediction, coloured words and bars, quality, comparisons.

import { html } from "../app/ui.js";
import { Warnings } from "./notes.js";
import { Pairs } from "./pairs.js";
import { Prediction } from "./prediction.js";
import { Quality } from "./quality.js";
import { Summary } from "./summary.js";
import { Words } from "./words.js";
import { Comparison } from "../compare/comparison.js";
import { BeforeAndAfter } from "../edit/before.js";
import { Share } from "../share/share.js";

export function WordsPanel(props) {
  const { catalogue, model, settings, change, explanation, edits } = props;
  const [answer, other] = explanation.answers;
  const { result } = answer;
  return html`
    <section class="card result" aria-busy=${explanation.running}>
      <${Summary} result=${result} />
      <${Warnings} result=${result} />
      <${Prediction} result=${result} settings=${settings} />
      <${Words} ...${{ result, catalogue, model, settings, change, edits }} />
      <${Pairs} result=${result} />
      <${Quality} result=${result} catalogue=${catalogue} />
    </section>
    ${edits.count > 0 && html`<${BeforeAndAfter} ...${{ edits, answer, catalogue }} />`}
    ${other && html`<${Comparison} answers=${[answer, other]} ...${{ settings, catalogue }} />`}
    <${Share} settings=${settings} answers=${explanation.answers} />
  `;
}
