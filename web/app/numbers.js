// Numbers as text.

/** The largest magnitude of some scores. */
export const largest = (scores) => scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);

/** Formats scores with the decimals that give the largest three significant digits. */
export function formatter(most, signed = true) {
  const decimals = most > 0 ? Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(most)))) : 0;
  return (score) => {
    const digits = Math.abs(score).toFixed(decimals);
    if (!signed) return digits;
    return `${score < 0 ? "−" : "+"}${digits}`;
  };
}

export const signed = (value, decimals = 3) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(decimals)}`;

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
