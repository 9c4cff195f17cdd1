// The strongest pairs of tokens.

/**
 * Up to `count` pairs {query, key, head, weight, share}, strongest first, of one head or (for -1)
 * of all heads of a layer, from or to one token or (for -1) of all. `share` is relative to the
 * largest weight, and at least the threshold.
 */
export function strongest(attention, { layer, head, token, threshold }, count) {
  const { heads, matrices, tokens } = attention;
  const chosen = head < 0 ? Array.from({ length: heads }, (_, index) => index) : [head];
  const most = chosen.reduce((most, head) => Math.max(most, largest(matrices[layer * heads + head])), 0) || 1;
  const pairs = [];
  for (const own of chosen) {
    const weights = matrices[layer * heads + own];
    const least = Math.max(threshold * most, Number.MIN_VALUE);
    for (let index = 0; index < weights.length; index++) {
      if (Math.abs(weights[index]) < least) continue;
      const [query, key] = [Math.floor(index / tokens.length), index % tokens.length];
      if (token >= 0 && query !== token && key !== token) continue;
      pairs.push({ query, key, head: own, weight: weights[index], share: Math.abs(weights[index]) / most });
    }
  }
  return pairs.sort((a, b) => b.share - a.share).slice(0, count);
}

function largest(weights) {
  let most = 0;
  for (const weight of weights) most = Math.max(most, Math.abs(weight));
  return most;
}
