// The whole page.

import { html, useEffect } from "./ui.js";
import { Header } from "./header.js";
import { KeyForm } from "./key-form.js";
import { Language, preferred } from "./language.js";
import { useSettings } from "./settings.js";
import { Workbench } from "./workbench.js";
import { useCatalogue } from "../service/catalogue.js";

export function App() {
  const [settings, change] = useSettings();
  const { catalogue, problem, load } = useCatalogue();
  const language = settings.language || preferred();
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  return html`
    <${Language.Provider} value=${language}>
      <${Header} language=${language} onLanguage=${(language) => change({ language })} />
      <main>
        ${problem && html`<${KeyForm} problem=${problem} onKey=${load} />`}
        ${catalogue &&
        html`<${Workbench} catalogue=${catalogue} settings=${settings} change=${change} onKey=${load} />`}
      </main>
    <//>
  `;
}
