// Why the service refuses to answer, and a field for its key if that is the reason.

import { html, useState } from "./ui.js";
import { useSay } from "./language.js";
import { setKey } from "../service/key.js";
import { ProblemText } from "../form/problem.js";

export function KeyForm({ problem, onKey }) {
  const say = useSay();
  const [key, change] = useState("");
  if (problem.status !== 401) return html`<${ProblemText} problem=${problem} />`;
  const submit = (event) => {
    event.preventDefault();
    setKey(key);
    onKey();
  };
  return html`
    <form class="card key" onSubmit=${submit}>
      <${ProblemText} problem=${problem} />
      <label>
        ${say("key")}
        <input
          type="password"
          autocomplete="off"
          required
          value=${key}
          onInput=${(event) => change(event.target.value)}
        />
      </label>
      <button type="submit" class="primary">${say("use_key")}</button>
      <p class="soft">${say("key_kept")}</p>
    </form>
  `;
}
