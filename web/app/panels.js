// What is shown about the answer: words, attention, the inside of the model, or evidence.

import { html } from "./ui.js";
import { useSay } from "./language.js";
import { AttentionPanel } from "../attention/panel.js";
import { EvidencePanel } from "../evidence/panel.js";
import { InsidePanel } from "../inside/panel.js";
import { WordsPanel } from "../result/panel.js";

const PANELS = { words: WordsPanel, attention: AttentionPanel, inside: InsidePanel, evidence: EvidencePanel };

export function Panels(props) {
  const say = useSay();
  const { settings, change, explanation } = props;
  if (!explanation.answers.length) return null;
  const name = Object.hasOwn(PANELS, settings.panel) ? settings.panel : "words";
  return html`
    <div class="tabs" role="tablist" aria-label=${say("panels")} onKeyDown=${moveFocus}>
      ${Object.keys(PANELS).map(
        (own) => html`
          <button
            role="tab"
            id=${`tab-${own}`}
            aria-selected=${own === name}
            aria-controls="panel"
            tabindex=${own === name ? 0 : -1}
            onClick=${() => change({ panel: own })}
          >
            ${say(`panel_${own}`)}
          </button>
        `,
      )}
    </div>
    <div id="panel" role="tabpanel" aria-labelledby=${`tab-${name}`}>
      <${PANELS[name]} ...${props} />
    </div>
  `;
}

/** Arrow keys move between tabs, as in all tab lists. */
function moveFocus(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...event.currentTarget.children];
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
}
