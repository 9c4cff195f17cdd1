//! Every setting as Markdown: `explaind settings`, which docs/reference/configuration.md repeats.
//! Types, ranges, defaults and meanings come from the structures of the configuration.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Config, environment};

const HEAD: &str = r#"# Configuration

Every setting, as `explaind settings` prints it. Later sources override earlier ones: the defaults below, `config/default.toml` in the
current directory, the variable `PORT`, the file of `--config`, the environment variables, and flags. `explaind check-config` reports every
error with the path of the setting.

```toml
[server]
listen = "127.0.0.1:9000"
[limits]
inputs = 16
```

```sh
EXPLAIND_LIMITS__INPUTS=16 EXPLAIND_SERVER__HOSTS='["explaind"]' explaind check-config
```

A variable has the value as in the file; lists are in brackets. Strings need no quotes. Tables with double brackets can be repeated, and
have no variables.
"#;

/// Units by the ends of names.
const UNITS: [(&str, &str); 6] = [
    ("_ms", "milliseconds"),
    ("bytes_per_second", "bytes per second"),
    ("per_minute", "requests per minute"),
    ("mebibytes", "MiB"),
    ("mebibytes_total", "MiB"),
    ("_bytes", "bytes"),
];

/// Returns the document.
pub fn markdown() -> String {
    let mut settings = SchemaSettings::default();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let mut out = HEAD.to_owned();
    for (name, table) in properties(schema.as_value()) {
        match table["items"].is_object() {
            true => add(&mut out, &format!("[[{name}]]"), None, table, &table["items"]),
            false => add(&mut out, &format!("[{name}]"), Some(name), table, table),
        }
    }
    out
}

/// Adds a table of the configuration, and those in it. `path` is that of its environment variables.
fn add(out: &mut String, title: &str, path: Option<&str>, described: &Value, table: &Value) {
    let _ = write!(out, "\n## `{title}`\n\n");
    if let Some(meaning) = meaning(described) {
        let _ = write!(out, "{meaning}\n\n");
    }
    *out += "| Setting | Type and range | Default | Variable | Meaning |\n|---|---|---|---|---|\n";
    let mut inner = Vec::new();
    for (name, setting) in properties(table) {
        let path = path.map(|path| format!("{path}.{name}"));
        let value = present(setting);
        if value["properties"].is_object() {
            inner.push((path, setting, value));
            continue;
        }
        let is_required = required(table).any(|each| each == name);
        let _ = writeln!(
            out,
            "| `{name}` | {} | {} | {} | {} |",
            kind(name, value),
            default(setting, is_required),
            path.map_or_else(String::new, |path| format!("`{}`", environment::variable(&path))),
            meaning(setting).unwrap_or_default(),
        );
    }
    // A table of any names.
    if let (Some(path), value @ Value::Object(_)) = (path, &table["additionalProperties"]) {
        let variable = environment::variable(&format!("{path}.name"));
        let _ = writeln!(out, "| `NAME` | {} | none | `{variable}` | |", kind("", value));
    }
    for (path, setting, value) in inner {
        let title = path.as_deref().unwrap_or_default();
        add(out, &format!("[{title}]"), path.as_deref(), setting, value);
    }
}

fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    table["properties"].as_object().into_iter().flatten().map(|(name, value)| (&**name, value))
}

fn required(table: &Value) -> impl Iterator<Item = &str> {
    table["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The schema of a value that may be missing.
fn present(setting: &Value) -> &Value {
    let alternatives = setting["anyOf"].as_array();
    alternatives.and_then(|all| all.iter().find(|each| each["type"] != "null")).unwrap_or(setting)
}

/// The text of a doc comment, on one line.
fn meaning(described: &Value) -> Option<String> {
    Some(described["description"].as_str()?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The type with unit and range, or the allowed values.
fn kind(name: &str, value: &Value) -> String {
    if let Some(names) = choices(value) {
        return names.join(", ");
    }
    let kinds = value["type"].as_array();
    let not_null = kinds.and_then(|all| all.iter().find(|kind| **kind != "null"));
    let mut text = match not_null.unwrap_or(&value["type"]).as_str() {
        Some("array") => format!("list of {}s", kind("", &value["items"])),
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    };
    if let Some((_, unit)) = UNITS.iter().find(|(end, _)| name.ends_with(end)) {
        let _ = write!(text, ", {unit}");
    }
    if let (Some(least), Some(most)) = (value["minimum"].as_i64(), value["maximum"].as_i64()) {
        let _ = write!(text, ", {least} to {most}");
    }
    text
}

/// The names of an enum.
fn choices(value: &Value) -> Option<Vec<String>> {
    let described = value["oneOf"].as_array().into_iter().flatten();
    let (described, plain): (Vec<_>, Vec<_>) = described.partition(|each| !each["const"].is_null());
    let names = described.into_iter().map(|each| &each["const"]);
    let listed = plain.into_iter().chain([value]).flat_map(|each| each["enum"].as_array());
    let names: Vec<&Value> = names.chain(listed.flatten()).filter(|name| !name.is_null()).collect();
    (!names.is_empty()).then(|| names.iter().map(|name| format!("`{name}`")).collect())
}

fn default(setting: &Value, is_required: bool) -> String {
    match &setting["default"] {
        Value::Null if is_required => "required".to_owned(),
        Value::Null => "none".to_owned(),
        value => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_explained_and_in_default_toml() {
        let document = markdown();
        let file = include_str!("../../config/default.toml");
        let mut rows = 0;
        for row in document.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let name = cells[1].trim_matches('`');
            assert!(name == "NAME" || !cells[5].is_empty(), "{name} has no description");
            assert!(name == "NAME" || file.contains(&format!("{name} = ")), "{name}");
            rows += 1;
        }
        assert!(rows > 60, "{rows} settings");
        for part in
            ["milliseconds, 0 to 3600000 | `10000` | `EXPLAIND_SERVER__DRAIN_MS`", "`\"json\"`"]
        {
            assert!(document.contains(part), "{part} in {document}");
        }
    }
}
