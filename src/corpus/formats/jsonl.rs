//! JSON Lines: one object per line, with `text`, `label` and an optional `id`.

use serde_json::Value;

use super::{Format, ID, LABEL, TEXT, text};
use crate::corpus::{Collector, CorpusError, Labels};

pub static FORMAT: Format = Format { endings: &["jsonl", "ndjson"], read };

fn read(content: &[u8], into: &mut Collector) -> Result<(), CorpusError> {
    let content = text(content).map_err(|(line, reason)| into.wrong("line", line, reason))?;
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason| into.wrong("line", number + 1, reason);
        let object: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let text = field(&object, &TEXT).and_then(required("text")).map_err(wrong)?;
        let label = field(&object, &LABEL).map_err(wrong)?;
        if into.labels == Labels::Required && label.is_none() {
            return Err(wrong(missing("label")));
        }
        let id = field(&object, &ID).map_err(wrong)?;
        into.push("line", number + 1, text, label, id)?;
    }
    Ok(())
}

/// Returns the first of the fields `names` that the object has, as text.
fn field(object: &Value, names: &[&str]) -> Result<Option<String>, String> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, object.get(name)?))) else {
        return Ok(None);
    };
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) if *name != TEXT[0] => Ok(Some(number.to_string())),
        Value::Bool(flag) if *name == LABEL[0] => Ok(Some(u8::from(*flag).to_string())),
        _ => Err(format!("{name} is not a string")),
    }
}

fn required(name: &str) -> impl Fn(Option<String>) -> Result<String, String> {
    let missing = missing(name);
    move |value| value.ok_or_else(|| missing.clone())
}

fn missing(name: &str) -> String {
    format!("an object needs {name}")
}
