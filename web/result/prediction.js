// What the model predicted, in the way of its task.

import { html } from "../app/ui.js";
import { Entities } from "./entities.js";
import { Labels } from "./labels.js";
import { Answers } from "./answers.js";
import { Masks } from "./masks.js";
import { Similarity } from "./similarity.js";

export function Prediction({ result, settings }) {
  if (result.entities) return html`<${Entities} result=${result} settings=${settings} />`;
  if (result.answers) return html`<${Answers} result=${result} settings=${settings} />`;
  if (result.masks) return html`<${Masks} result=${result} />`;
  if (result.similarity) return html`<${Similarity} result=${result} />`;
  return html`<${Labels} predictions=${result.predictions} />`;
}
