// Starts the page.

import { html, render } from "./ui.js";
import { App } from "./app.js";

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
