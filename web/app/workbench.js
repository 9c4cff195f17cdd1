// The form, and what the service answered.

import { html } from "./ui.js";
import { KeyForm } from "./key-form.js";
import { Panels } from "./panels.js";
import { Form } from "../form/form.js";
import { useEdits } from "../edit/edits.js";
import { useExplanation } from "../service/explanation.js";

export function Workbench({ catalogue, settings, change, onKey }) {
  const models = catalogue.models.filter((model) => model.state === "ready");
  const model = models.find(({ id }) => id === settings.model) ?? models[0];
  // A link to a model that is not served shows the service's error.
  const effective = { ...settings, model: settings.model || model?.id };
  const explanation = useExplanation(effective, model !== undefined);
  const edits = useEdits(effective, explanation.answers[0], change);
  const { problem } = explanation;
  const retry = () => {
    onKey();
    explanation.run();
  };
  return html`
    <${Form} ...${{ catalogue, models, model, settings: effective, change, explanation }} />
    ${problem?.status === 401 && html`<${KeyForm} problem=${problem} onKey=${retry} />`}
    <${Panels} ...${{ catalogue, model, settings: effective, change, explanation, edits }} />
  `;
}
