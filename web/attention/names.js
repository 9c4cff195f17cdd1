// Names of heads.

/** Layers and heads are counted from 1 here, as in Controls. */
export function headName(say, { combined }, layer, head) {
  const name = combined ? "head_combined" : "head_name";
  return say(name, { layer: layer + 1, head: head + 1 });
}
