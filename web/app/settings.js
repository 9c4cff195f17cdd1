// The settings of the page. All of them are in the fragment of the address, which browsers do not
// send to servers: a link to the page contains the text, but no log does.

import { useCallback, useEffect, useState } from "./ui.js";

export const DEFAULTS = {
  language: "",
  text: "",
  pair: "",
  model: "",
  methods: ["integrated_gradients"],
  target: "predicted",
  output: "logit",
  measures: false,
  // What to compare with: "" (nothing), "text" or "model".
  versus: "",
  text2: "",
  pair2: "",
  model2: "",
  // Names of concepts of the model.
  concepts: [],
  panel: "words",
  unit: "word",
  order: "text",
  // Of the attention panel.
  view: "model",
  kind: "weights",
  layer: 0,
  head: 0,
  token: -1,
  threshold: 0.05,
};

export function toFragment(settings) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) {
    if (String(value) !== String(DEFAULTS[name])) query.set(name, String(value));
  }
  return query.size ? `#${query}` : "";
}

export function fromFragment(fragment) {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  const settings = { ...DEFAULTS };
  for (const [name, value] of query) {
    if (Object.hasOwn(DEFAULTS, name)) settings[name] = parse(value, DEFAULTS[name]);
  }
  return settings;
}

function parse(value, like) {
  if (typeof like === "boolean") return value === "true";
  if (typeof like === "number") return Number.isFinite(Number(value)) ? Number(value) : like;
  if (Array.isArray(like)) return value.split(",").filter(Boolean);
  return value;
}

/** The settings and a function that changes some of them. */
export function useSettings() {
  const [settings, setSettings] = useState(() => fromFragment(location.hash));
  const change = useCallback((some) => setSettings((all) => ({ ...all, ...some })), []);
  useEffect(() => {
    const read = () => setSettings(fromFragment(location.hash));
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  useEffect(() => {
    // Browsers limit how often a page may do this, and typing is faster.
    const timer = setTimeout(() => {
      history.replaceState(null, "", toFragment(settings) || location.pathname);
    }, 200);
    return () => clearTimeout(timer);
  }, [settings]);
  return [settings, change];
}
