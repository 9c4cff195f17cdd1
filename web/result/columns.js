// The explanations of a result as columns of scores.

import { clean } from "../app/clean.js";
import { formatter, largest } from "../app/numbers.js";

/** The units of a result that have scores, such as its words. */
export const unitsOf = (result, unit) => (unit === "token" ? result.tokens : result.words);

/**
 * One column per method and target. Each has its own scale, because the scores of different
 * methods have different units.
 */
export function columnsOf(result, unit, catalogue) {
  return result.explanations.map((explanation, index) => {
    const scores = explanation.attributions[unit];
    const errors = explanation.standard_error?.[unit];
    const method = catalogue.methods.find(({ name }) => name === explanation.method);
    const signed = method?.signed ?? true;
    const most = largest(scores);
    return {
      index,
      explanation,
      scores,
      // Without any chance there is nothing to show.
      errors: errors?.some((error) => error > 0) ? errors : undefined,
      signed,
      most,
      number: formatter(most, signed),
    };
  });
}

/** A score as text, with its standard error if the column has any. */
export function scoreText({ scores, errors, most, number }, index) {
  const error = errors && ` ± ${formatter(most, false)(errors[index])}`;
  return `${number(scores[index])}${error ?? ""}`;
}

/** The target in words. */
export function targetName(target, tokens, say) {
  const token = target.token === undefined ? "" : ` @ ${clean(tokens[target.token]?.text ?? "")}`;
  return `${what(target, say)}${token}`;
}

function what(target, say) {
  if (target.contrast) {
    const [a, b] = target.contrast.map(({ label }) => clean(label));
    return say("rather_than", { a, b });
  }
  if (target.position) return say(`answer_${target.position}`);
  if (target.cosine) return say(`cosine_${target.cosine}`);
  return clean(target.label);
}
