// What is shown of the attention.

import { html, useId } from "../app/ui.js";
import { clean } from "../app/clean.js";
import { useSay } from "../app/language.js";

const VIEWS = ["model", "matrix", "lines"];
const KINDS = ["weights", "norm", "rollout", "gradient", "block_norm", "alti", "value_zeroing"];

export function Controls({ model, attention, view, settings, selection, change }) {
  const say = useSay();
  const names = (prefix, list) => list.map((name) => [name, say(`${prefix}_${name}`)]);
  const numbers = (count) => Array.from({ length: count }, (_, index) => [index, index + 1]);
  const tokens = (attention?.tokens ?? []).map(({ text }, index) => [index, `${index} ${clean(text)}`]);
  const single = numbers(attention?.heads ?? model.heads);
  const heads = view === "lines" ? [[-1, say("all_heads")], ...single] : single;
  return html`
    <div class="row attention-controls">
      <${Choice} label=${say("view")} value=${view} options=${names("view", VIEWS)} onChange=${(view) => change({ view })} />
      <${Choice}
        label=${say("kind")}
        value=${settings.kind}
        options=${names("kind", KINDS)}
        onChange=${(kind) => change({ kind })}
      />
      <${Choice}
        label=${say("layer")}
        value=${selection.layer}
        options=${numbers(model.layers)}
        onChange=${(layer) => change({ layer: Number(layer) })}
      />
      <${Choice}
        label=${say("head")}
        value=${selection.head}
        options=${heads}
        onChange=${(head) => change({ head: Number(head) })}
      />
      <${Choice}
        label=${say("token")}
        value=${selection.token}
        options=${[[-1, say("all_tokens")], ...tokens]}
        onChange=${(token) => change({ token: Number(token) })}
      />
      <label>
        ${say("threshold")}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value=${settings.threshold}
          onInput=${(event) => change({ threshold: Number(event.target.value) })}
        />
        <output class="number">${settings.threshold.toFixed(2)}</output>
      </label>
    </div>
  `;
}

function Choice({ label, value, options, onChange }) {
  const id = useId();
  return html`
    <span class="choice">
      <label for=${id}>${label}</label>
      <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
        ${options.map(([value, name]) => html`<option key=${value} value=${value}>${name}</option>`)}
      </select>
    </span>
  `;
}
