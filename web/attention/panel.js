// The attention of the model: all heads, one head as a matrix, or lines between tokens.

import { html, useMemo } from "../app/ui.js";
import { useSay } from "../app/language.js";
import { Controls } from "./controls.js";
import { HeadsTable } from "./heads-table.js";
import { LinesView } from "./lines-view.js";
import { MatrixView } from "./matrix-view.js";
import { ModelView } from "./model-view.js";
import { PairsTable } from "./pairs-table.js";
import { useAttention } from "./use-attention.js";
import { ProblemText } from "../form/problem.js";

const VIEWS = { model: ModelView, matrix: MatrixView, lines: LinesView };

export function AttentionPanel({ model, settings, change }) {
  const say = useSay();
  const { attention, patterns, problem, share } = useAttention(model, settings);
  const view = Object.hasOwn(VIEWS, settings.view) ? settings.view : "model";
  // A link may name a head that this model does not have.
  const selection = useMemo(
    () => ({
      layer: Math.min(settings.layer, model.layers - 1),
      head: Math.min(settings.head, (attention?.heads ?? model.heads) - 1),
      token: attention && settings.token < attention.tokens.length ? settings.token : -1,
      threshold: settings.threshold,
    }),
    [attention, model, settings.layer, settings.head, settings.token, settings.threshold],
  );
  const own = { attention, patterns: attention?.combined ? null : patterns, selection, change };
  return html`
    <section class="card attention">
      <${Controls} ...${{ model, attention, view, settings, selection, change }} />
      ${problem && html`<${ProblemText} problem=${problem} />`}
      ${attention
        ? html`
            <${VIEWS[view]} ...${own} />
            <${PairsTable} ...${own} />
            <${HeadsTable} ...${own} />
          `
        : !problem && html`<p role="status">${say("loading")} <progress value=${share}></progress></p>`}
    </section>
  `;
}
