// The top of the page: name, links, language, colours.

import { html } from "./ui.js";
import { LANGUAGES, useSay } from "./language.js";
import { THEMES, useTheme } from "./theme.js";

export function Header({ language, onLanguage }) {
  const say = useSay();
  const [theme, setTheme] = useTheme();
  return html`
    <header class="top">
      <h1>explaind</h1>
      <p class="tagline">${say("tagline")}</p>
      <nav aria-label=${say("links")}>
        <a href="/docs">${say("api")}</a>
        <a href="/methods">${say("methods_list")}</a>
      </nav>
      <label>
        <span class="hidden">${say("language")}</span>
        <select value=${language} onChange=${(event) => onLanguage(event.target.value)}>
          ${Object.entries(LANGUAGES).map(
            ([code, name]) => html`<option value=${code} lang=${code}>${name}</option>`,
          )}
        </select>
      </label>
      <label>
        <span class="hidden">${say("theme")}</span>
        <select value=${theme} onChange=${(event) => setTheme(event.target.value)}>
          ${THEMES.map((name) => html`<option value=${name}>${say(`theme_${name}`)}</option>`)}
        </select>
      </label>
    </header>
  `;
}
