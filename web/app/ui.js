// The library that all components use: Preact's hooks, and htm in place of JSX.

import { h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { render };
export * from "../vendor/hooks.js";
export { createContext } from "../vendor/preact.js";
