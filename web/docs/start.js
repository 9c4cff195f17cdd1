// Shows the description of the API in the browser's colours.

const dark = matchMedia("(prefers-color-scheme: dark)").matches;

const ATTRIBUTES = {
  theme: dark ? "dark" : "light",
  "render-style": "read",
  "schema-style": "table",
  // Nothing is loaded from elsewhere.
  "load-fonts": "false",
  "allow-spec-url-load": "false",
  "allow-spec-file-load": "false",
  "allow-server-selection": "false",
  "show-header": "false",
  "use-path-in-nav-bar": "true",
  "primary-color": dark ? "#9cc7f7" : "#0b57a8",
};

/** RapiDoc reads `examples` of a request body, but no `example` that is an object. */
function withExamples(description) {
  for (const operations of Object.values(description.paths)) {
    for (const { requestBody } of Object.values(operations)) {
      for (const content of Object.values(requestBody?.content ?? {})) {
        if (content.example) content.examples = { Example: { value: content.example } };
        delete content.example;
      }
    }
  }
  return description;
}

const description = await (await fetch("/openapi.json")).json();
await customElements.whenDefined("rapi-doc");
const page = document.createElement("rapi-doc");
for (const [name, value] of Object.entries(ATTRIBUTES)) page.setAttribute(name, value);
document.body.append(page);
page.loadSpec(withExamples(description));
