// Ways to take along what is shown: a link, code, files.

import { html, useState } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { takenAlong } from "../service/body.js";
import { CODE } from "./code.js";
import { FILES, save } from "./files.js";

export function Share({ settings, answers }) {
  const say = useSay();
  const [done, setDone] = useState("");
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(say("copied"));
    } catch {
      setDone(say("not_copied"));
    }
  };
  const download = async (format) => {
    setDone("");
    try {
      await save(format, settings, answers);
    } catch (problem) {
      setDone(problem.message || say("unreachable"));
    }
  };
  return html`
    <section class="card share" aria-label=${say("take_along")}>
      <div class="row">
        <span class="soft">${say("copy_as")}</span>
        <button type="button" onClick=${() => copy(location.href)}>${say("link")}</button>
        ${Object.entries(CODE).map(
          ([name, code]) => html`
            <button type="button" key=${name} onClick=${() => copy(code(takenAlong(settings), location.origin))}>${name}</button>
          `,
        )}
      </div>
      <div class="row">
        <span class="soft">${say("download")}</span>
        ${Object.keys(FILES).map(
          (format) => html`<button type="button" key=${format} onClick=${() => download(format)}>${format}</button>`,
        )}
      </div>
      <p role="status" class="soft">${done}</p>
    </section>
  `;
}
