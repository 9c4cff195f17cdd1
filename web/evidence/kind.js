// One kind of evidence: its button, and its answer to the current text.

import { html, useEffect, useRef, useState } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { ProblemText } from "../form/problem.js";
import { input } from "../service/body.js";
import { json } from "../service/client.js";
import { Problem } from "../service/problem.js";

export function Kind({ route, extra, Show, title, hint, settings, change }) {
  const say = useSay();
  const [state, setState] = useState({});
  const controller = useRef(null);
  const { model, text, pair } = settings;
  // Evidence of another text would mislead.
  useEffect(() => {
    setState({});
    return () => controller.current?.abort();
  }, [model, text, pair]);

  const find = async () => {
    controller.current = new AbortController();
    setState({ running: true });
    try {
      const body = { model, inputs: input(text, pair), ...extra };
      const { results } = await json(route, { body, signal: controller.current.signal });
      const [result] = results;
      if (result.error) throw new Problem(result.error);
      setState({ result });
    } catch (problem) {
      if (problem.name !== "AbortError") setState({ problem });
    }
  };
  const cancel = () => {
    controller.current.abort();
    setState({});
  };
  return html`
    <section class="card">
      <h2>${title}</h2>
      <p class="soft">${hint}</p>
      ${state.running
        ? html`<button type="button" onClick=${cancel}>${say("cancel")}</button>`
        : html`<button type="button" onClick=${find} aria-label=${`${say("find")}: ${title}`}>${say("find")}</button>`}
      <div role="status">
        ${state.problem && html`<${ProblemText} problem=${state.problem} />`}
        ${state.result && html`<${Show} result=${state.result} use=${(text) => change({ text, panel: "words" })} />`}
      </div>
    </section>
  `;
}
