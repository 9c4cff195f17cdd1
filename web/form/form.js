// What to explain.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Compare } from "./compare.js";
import { Examples } from "./examples.js";
import { Methods } from "./methods.js";
import { ModelField } from "./model.js";
import { PairField } from "./pair.js";
import { ProblemText } from "./problem.js";
import { Progress } from "./progress.js";
import { TargetField } from "./target.js";
import { TextField } from "./text.js";
import { fieldOf } from "../service/problem.js";

export function Form({ catalogue, models, model, settings, change, explanation }) {
  const say = useSay();
  const { problem, stale } = explanation;
  const submit = (event) => {
    event?.preventDefault();
    explanation.run();
  };
  const own = { settings, change, problem };
  return html`
    <form class="card form" onSubmit=${submit}>
      <${TextField} name="text" label=${say("text")} ...${own} onSubmit=${submit} />
      <${PairField} model=${model} ...${own} onSubmit=${submit} />
      <div class="row">
        <button type="submit" class="primary" disabled=${!settings.text.trim()}>${say("explain")}</button>
        ${stale && settings.text.trim() && html`<span class="soft late">${say("stale")}</span>`}
        <${Progress} ...${explanation} />
        <${Examples} models=${models} change=${change} />
      </div>
      ${problem && problem.status !== 401 && !fieldOf(problem) && html`<${ProblemText} problem=${problem} />`}
      <div class="grid">
        <${ModelField} name="model" label=${say("model")} models=${models} ...${own} />
        <${TargetField} model=${model} answer=${explanation.answers[0]} ...${own} />
      </div>
      <${Methods} catalogue=${catalogue} model=${model} ...${own} />
      <${Compare} models=${models} model=${model} ...${own} onSubmit=${submit} />
    </form>
  `;
}
