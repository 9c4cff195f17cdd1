// The choice of methods.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { ProblemText } from "./problem.js";
import { fieldOf } from "../service/problem.js";

export function Methods({ catalogue, model, settings, change, problem }) {
  const say = useSay();
  const own = fieldOf(problem) === "methods";
  const methods = catalogue.methods.filter(({ name }) => model?.methods.includes(name));
  const toggle = (name) => {
    const others = settings.methods.filter((other) => other !== name);
    const added = others.length < settings.methods.length ? others : [...others, name];
    change({ methods: methods.map((method) => method.name).filter((method) => added.includes(method)) });
  };
  return html`
    <details class="methods" open=${own}>
      <summary>${say("methods")}: <span lang="en">${settings.methods.join(", ") || say("none")}</span></summary>
      <fieldset aria-describedby=${own ? "problem-methods" : undefined}>
        <legend class="hidden">${say("methods")}</legend>
        ${methods.map(
          ({ name, summary, rows }) => html`
            <label class="check" key=${name}>
              <input
                type="checkbox"
                name="method"
                value=${name}
                checked=${settings.methods.includes(name)}
                onChange=${() => toggle(name)}
              />
              <span><code>${name}</code> <span class="soft" lang="en">${summary} (${rows})</span></span>
            </label>
          `,
        )}
        <label class="check measures">
          <input
            type="checkbox"
            checked=${settings.measures}
            onChange=${(event) => change({ measures: event.target.checked })}
          />
          <span>${say("measure")} <span class="soft">${say("measure_hint")}</span></span>
        </label>
      </fieldset>
      ${own && html`<${ProblemText} problem=${problem} id="problem-methods" />`}
    </details>
  `;
}
