// One view inside the model, of the current text.

import { useEffect, useState } from "../app/ui.js";
import { input, target } from "../service/body.js";
import { json } from "../service/client.js";
import { Problem } from "../service/problem.js";

/** While a text is typed, only the text after a pause is looked at. */
const PAUSE_MS = 250;

/** {result, shown, problem}: the service's result, and the view in it. */
export function useView(view, settings) {
  const [state, setState] = useState({});
  const { model, text, pair, output } = settings;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const update = (some) => !signal.aborted && setState(some);
    setState({});
    const load = async () => {
      const body = { model, inputs: input(text, pair), methods: [], attention: false, inside: [view], output };
      if (settings.target !== "predicted") body.target = target(settings.target);
      const { results } = await json("/explain", { body, signal });
      const [result] = results;
      if (result.error) throw new Problem(result.error);
      update({ result, shown: result.inside[view] });
    };
    const pause = setTimeout(() => load().catch((problem) => update({ problem })), PAUSE_MS);
    return () => {
      clearTimeout(pause);
      controller.abort();
    };
  }, [view, model, text, pair, output, settings.target]);
  return state;
}
