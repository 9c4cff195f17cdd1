// Colours of scores, as in the service's pages: orange is for, blue against, violet unsigned.

/** Attributes that colour an element; the depth is linear in the score. */
export function shade(score, most, signed = true) {
  const depth = most > 0 ? Math.min(1, Math.abs(score) / most) : 0;
  const hue = signed ? (score < 0 ? "against" : "for") : "amount";
  return { "data-hue": hue, style: { "--depth": depth.toFixed(4) } };
}
