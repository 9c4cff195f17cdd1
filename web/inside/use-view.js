// What one view inside the model needs to know about the current text.

import { useEffect, useState } from "../app/ui.js";
import { input, target } from "../service/body.js";
import { json } from "../service/client.js";
import { Problem } from "../service/problem.js";

/** While a text is typed, only the text after a pause is looked at. */
const PAUSE_MS = 250;

/** {result, problem}: the service's result for `wanted`, fields of the request; none for null. */
export function useView(wanted, settings) {
  const [state, setState] = useState({});
  const { model, text, pair, output } = settings;
  const asked = JSON.stringify(wanted);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const update = (some) => !signal.aborted && setState(some);
    setState({});
    if (!wanted) return;
    const load = async () => {
      const body = { model, inputs: input(text, pair), methods: [], attention: false, output, ...JSON.parse(asked) };
      if (settings.target !== "predicted") body.target = target(settings.target);
      const { results } = await json("/explain", { body, signal });
      const [result] = results;
      if (result.error) throw new Problem(result.error);
      update({ result });
    };
    const pause = setTimeout(() => load().catch((problem) => update({ problem })), PAUSE_MS);
    return () => {
      clearTimeout(pause);
      controller.abort();
    };
  }, [asked, model, text, pair, output, settings.target]);
  return state;
}
