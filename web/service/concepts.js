// The concepts that the service has for a model.

import { useEffect, useState } from "../app/ui.js";
import { json } from "./client.js";

/** {concepts, problem}: those of the model that can be used, once they are known. */
export function useConcepts(model) {
  const [state, setState] = useState({});
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const update = (some) => !signal.aborted && setState(some);
    const load = async () => {
      const { concepts } = await json("/concepts", { signal });
      update({ concepts: concepts.filter((concept) => concept.model === model && concept.usable) });
    };
    setState({});
    load().catch((problem) => update({ problem }));
    return () => controller.abort();
  }, [model]);
  return state;
}
