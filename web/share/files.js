// Files of what is shown. The service renders pages and pictures, for the same request.

import { bodies, takenAlong } from "../service/body.js";
import { send } from "../service/client.js";
import { pngOf } from "./png.js";

async function rendered(settings, accept) {
  const body = takenAlong(settings);
  // The page of a comparison of two texts contains both.
  if (settings.versus === "text") body.inputs = bodies(settings).map(({ inputs }) => inputs);
  return (await send("/explain", { body, accept })).blob();
}

const shown = (answers) => (answers.length === 1 ? answers[0] : { answers });

/** By format: the contents of a file. */
export const FILES = {
  JSON: async (settings, answers) =>
    new Blob([JSON.stringify(shown(answers), null, 2)], { type: "application/json" }),
  HTML: (settings) => rendered(settings, "text/html"),
  SVG: (settings) => rendered(settings, "image/svg+xml"),
  PNG: async (settings) => pngOf(await rendered(settings, "image/svg+xml")),
};

/** Makes a file and hands it to the browser's downloads. */
export async function save(format, settings, answers) {
  const blob = await FILES[format](settings, answers);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `explanation.${format.toLowerCase()}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
