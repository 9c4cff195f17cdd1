// The attention of the current text.

import { useEffect, useState } from "../app/ui.js";
import { load, loadPatterns } from "./load.js";

/** {attention, patterns, problem, share}: what was loaded, or how much of it. */
export function useAttention(model, settings) {
  const [state, setState] = useState({ share: 0 });
  const { text, pair, kind, target } = settings;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const update = (some) => !signal.aborted && setState((all) => ({ ...all, ...some }));
    setState({ share: 0 });
    const all = async () => {
      update({ attention: await load(model, settings, signal, (share) => update({ share })) });
      update({ patterns: await loadPatterns(settings, signal) });
    };
    all().catch((problem) => update({ problem }));
    return () => controller.abort();
  }, [model.id, text, pair, kind, kind === "gradient" && target]);
  return state;
}
