// Evidence: similar examples, rules, and changes of the text. Each is requested when asked for,
// because some take seconds.

import { html } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Counterfactuals } from "./counterfactuals.js";
import { Examples } from "./examples.js";
import { Probe } from "./probe.js";
import { Anchor, Tree } from "./rules.js";
import { Kind } from "./kind.js";

const KINDS = [
  { name: "examples", route: "/examples", extra: { k: 5 }, Show: Examples },
  { name: "counterfactuals", route: "/counterfactuals", extra: {}, Show: Counterfactuals },
  { name: "rules", route: "/rules", extra: {}, Show: Anchor },
  { name: "tree", route: "/rules", extra: { kind: "tree" }, Show: Tree },
  { name: "probe", route: "/probe", extra: {}, Show: Probe },
];

export function EvidencePanel({ catalogue, settings, change }) {
  const say = useSay();
  const offered = KINDS.filter(({ route }) => catalogue.evidence.some((kind) => kind.route === route));
  return html`
    <div class="evidence">
      ${offered.map(
        (kind) => html`
          <${Kind}
            key=${kind.name}
            ...${kind}
            title=${say(`evidence_${kind.name}`)}
            hint=${say(`evidence_${kind.name}_hint`)}
            ...${{ settings, change }}
          />
        `,
      )}
    </div>
  `;
}
