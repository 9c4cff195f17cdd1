// How far a slow method is, from the lines that the service sends meanwhile.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";

export function Progress({ running, progress, cancel }) {
  const say = useSay();
  // The element stays, so that screen readers announce what appears in it.
  return html`
    <div class="progress" role="status">
      ${running &&
      html`
        ${progress &&
        html`
          <label>
            ${say("progress", progress)}
            <progress value=${progress.done} max=${progress.of}></progress>
          </label>
        `}
        <button type="button" class="late" onClick=${cancel}>${say("cancel")}</button>
      `}
    </div>
  `;
}
