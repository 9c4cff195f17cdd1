// A problem of the service, in its own words.

import { html } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";

export function ProblemText({ problem, id }) {
  const say = useSay();
  const { status, title, detail, type } = problem;
  if (status === 0) return html`<p role="alert" id=${id} class="problem">${say("unreachable")}</p>`;
  return html`
    <p role="alert" id=${id} class="problem">
      <bdi lang="en">${clean(detail ?? title ?? problem.message)}</bdi>
      ${type?.startsWith("/problems/") && html` <a href=${type}>${say("about_error")}</a>`}
    </p>
  `;
}
