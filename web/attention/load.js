// Attention of every layer and head, as tensors: as JSON, long texts would take minutes.

import { input, target } from "../service/body.js";
import { send } from "../service/client.js";
import { Problem } from "../service/problem.js";
import { parse } from "../service/tensors.js";

/** Kinds that combine the heads of a layer. */
const COMBINED = ["rollout", "block_norm", "alti", "value_zeroing"];

/**
 * {tokens, layers, heads, combined, matrices}: `matrices[layer * heads + head]` is a list of
 * tokens × tokens weights, one row per query. There is one head if they are `combined`.
 */
export async function load(model, settings, signal, onProgress) {
  const combined = COMBINED.includes(settings.kind);
  const heads = combined ? ["mean"] : range(model.heads);
  const loaded = { layers: model.layers, heads: heads.length, combined, matrices: [], tokens: null };
  const queue = [{ layers: range(model.layers), heads }];
  let tooMany = Infinity;
  while (queue.length) {
    const part = queue.shift();
    if (countOf(part) >= tooMany) {
      queue.unshift(...halve(part));
      continue;
    }
    try {
      add(loaded, part, await request(part, settings, signal));
      onProgress(loaded.matrices.filter(Boolean).length / (loaded.layers * loaded.heads));
    } catch (problem) {
      tooMany = countOf(part);
      if (problem.code !== "response_too_large" || tooMany === 1) throw problem;
      queue.unshift(part);
    }
  }
  return loaded;
}

const range = (count) => Array.from({ length: count }, (_, index) => index);

/** The pattern of each head. For long texts, this takes longer than the weights. */
export async function loadPatterns({ model, text, pair }, signal) {
  const body = { model, inputs: input(text, pair), methods: [], attention: { layers: [0], heads: [0], patterns: true } };
  const response = await send("/explain", { body, accept: "application/x-safetensors", signal });
  return parse(await response.arrayBuffer()).answer.results[0].attention.patterns;
}

async function request({ layers, heads }, settings, signal) {
  const { model, text, pair, kind } = settings;
  const attention = { layers, heads: heads[0] === "mean" ? "mean" : heads, kind };
  const body = { model, inputs: input(text, pair), methods: [], attention };
  if (kind === "gradient" && settings.target !== "predicted") body.target = target(settings.target);
  const response = await send("/explain", { body, accept: "application/x-safetensors", signal });
  const { tensors, answer } = parse(await response.arrayBuffer());
  const [result] = answer.results;
  if (result.error) throw new Problem(result.error);
  return { result, weights: tensors["results.0.attention.weights"] };
}

function add(loaded, { layers, heads }, { result, weights }) {
  const size = weights.shape[2] * weights.shape[3];
  layers.forEach((layer, row) => {
    heads.forEach((name, column) => {
      const start = (row * heads.length + column) * size;
      const head = loaded.combined ? 0 : name;
      loaded.matrices[layer * loaded.heads + head] = weights.values.subarray(start, start + size);
    });
  });
  loaded.tokens ??= result.tokens;
}

const countOf = ({ layers, heads }) => layers.length * heads.length;

/** Splits a selection that is too large for one response: by layers, then by heads. */
function halve({ layers, heads }) {
  const split = (list) => [list.slice(0, list.length / 2), list.slice(list.length / 2)];
  if (layers.length > 1) return split(layers).map((half) => ({ layers: half, heads }));
  return split(heads).map((half) => ({ layers, heads: half }));
}
