// What the service offers: models, methods and kinds of evidence.

import { useCallback, useEffect, useState } from "../app/ui.js";
import { json } from "./client.js";

/** {models, methods, evidence, measures}, or the problem of loading them. */
export function useCatalogue() {
  const [state, setState] = useState({ catalogue: null, problem: null });
  const load = useCallback(async () => {
    try {
      const [{ models }, listed] = await Promise.all([json("/models"), json("/methods")]);
      setState({ catalogue: { ...listed, models }, problem: null });
    } catch (problem) {
      setState({ catalogue: null, problem });
    }
  }, []);
  useEffect(() => void load(), []);
  return { ...state, load };
}
