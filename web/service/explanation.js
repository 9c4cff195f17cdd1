// The explanation of what the settings say, kept up to date.

import { useCallback, useLayoutEffect, useReducer, useRef } from "../app/ui.js";
import { bodies } from "./body.js";
import { explain } from "./stream.js";

/** Answers that cost more are requested when typing pauses, not with every key press. */
const LIVE_MS = 250;
/** The longest pause to wait for. */
const PAUSE_MS = 600;

const IDLE = { answers: [], problem: null, progress: null, running: false, asked: "", cost: 0 };

function reduce(state, action) {
  switch (action.type) {
    case "start":
      return { ...state, running: true, progress: null, asked: action.asked };
    case "progress":
      return { ...state, progress: action.progress };
    case "done":
      return { ...state, ...action.result, running: false, progress: null };
    case "cancel":
      return { ...state, running: false, progress: null };
    default:
      return IDLE;
  }
}

/**
 * Answers for the settings, whenever they change or `run` is called. `stale` tells that the settings
 * have changed since.
 */
export function useExplanation(settings, ready) {
  const [state, dispatch] = useReducer(reduce, IDLE);
  const controller = useRef(null);
  const requests = bodies(settings);
  const asked = JSON.stringify(requests);

  const run = useCallback(async () => {
    controller.current?.abort();
    const own = (controller.current = new AbortController());
    dispatch({ type: "start", asked });
    const onProgress = (progress) => dispatch({ type: "progress", progress });
    const result = await answersOf(JSON.parse(asked), own.signal, onProgress);
    if (own.signal.aborted) return;
    dispatch({ type: "done", result: { ...result, cost: costOf(result.answers) } });
  }, [asked]);

  const cancel = useCallback(() => {
    controller.current?.abort();
    dispatch({ type: "cancel" });
  }, []);

  // Not useEffect, which waits until the letter is painted.
  useLayoutEffect(() => {
    if (!ready) return;
    if (!settings.text.trim()) {
      controller.current?.abort();
      dispatch({ type: "clear" });
      return;
    }
    if (state.cost < LIVE_MS) {
      run();
      return;
    }
    const pause = setTimeout(run, Math.min(state.cost, PAUSE_MS));
    return () => clearTimeout(pause);
  }, [asked, ready]);

  return { ...state, stale: !state.running && state.asked !== asked, run, cancel };
}

/** Milliseconds of the service's work. The first answers take longer than that for other reasons. */
const costOf = (answers) => answers.reduce((sum, { usage }) => sum + usage.queue_ms + usage.compute_ms, 0);

/** The answers, or the problem of the first request that has one. */
async function answersOf(requests, signal, onProgress) {
  try {
    const answers = requests.map((body) => explain(body, signal, onProgress));
    return { answers: await Promise.all(answers), problem: null };
  } catch (problem) {
    return { answers: [], problem };
  }
}
