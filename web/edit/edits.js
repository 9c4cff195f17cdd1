// Changes of single words, which can be undone.

import { useState } from "../app/ui.js";

/** A text with another one in place of some code points; offsets count code points. */
export function replaced(text, { start, end }, replacement) {
  const points = [...text];
  const joined = [...points.slice(0, start), ...replacement, ...points.slice(end)].join("");
  return replacement ? joined : joined.replace(/ {2,}/g, " ").trim();
}

/**
 * The edits so far: `before` is the answer to the text before the first one. Typing a text that is
 * not the last edit's ends them.
 */
export function useEdits(settings, answer, change) {
  const [list, setList] = useState([]);
  const last = list.at(-1);
  const current = last && settings[last.field] === last.after && settings.model === last.model;
  const edits = current ? list : [];

  const edit = (word, replacement) => {
    const field = word.segment === 1 ? "pair" : "text";
    const after = replaced(settings[field], word, replacement);
    if (!after) return;
    const entry = { field, before: settings[field], after, model: settings.model, answer };
    setList([...edits, entry]);
    change({ [field]: after });
  };
  const undo = () => {
    setList(edits.slice(0, -1));
    change({ [last.field]: last.before });
  };
  return { count: edits.length, before: edits[0]?.answer, edit, undo };
}
