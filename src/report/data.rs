//! Reads texts to explain from a `.jsonl` or `.tsv` file.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One text, or a pair, with its expected label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Example {
    pub text: String,
    pub text_pair: Option<String>,
    /// The label's name or index.
    pub label: Option<String>,
    /// What a person marked as the reason for the label: spans of `text`, in code points.
    pub rationale: Vec<(usize, usize)>,
}

/// A problem with a file, as a message for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(String);

/// Reads every example of a file. A line of a `.tsv` file is a text, a text and a label, or a pair
/// of texts and a label. A line of a `.jsonl` file is an object with `text`, and optionally
/// `text_pair`, `label` and `rationale`.
pub fn read(path: &Path) -> Result<Vec<Example>, DataError> {
    let file = path.display();
    let content =
        fs::read_to_string(path).map_err(|error| DataError(format!("{file}: {error}")))?;
    let line: fn(&str) -> Result<Example, String> =
        match path.extension().and_then(|end| end.to_str()) {
            Some("jsonl" | "ndjson") => from_json,
            Some("tsv" | "txt") => from_tsv,
            _ => return Err(DataError(format!("{file}: the name must end in .jsonl or .tsv"))),
        };
    let mut examples = Vec::new();
    for (number, text) in content.lines().enumerate() {
        let at_line = |reason| DataError(format!("{file}, line {}: {reason}", number + 1));
        let first = number == 0 && is_header(text);
        if !first && !text.trim().is_empty() {
            examples.push(line(text).map_err(at_line)?);
        }
    }
    if examples.is_empty() {
        return Err(DataError(format!("{file} has no text")));
    }
    Ok(examples)
}

/// Returns whether a line names columns.
fn is_header(line: &str) -> bool {
    let mut names = line.split('\t').map(|name| name.trim().to_ascii_lowercase());
    let known = |name: String| {
        ["text", "sentence", "review", "text_pair", "label", "sentence1", "sentence2"]
            .contains(&name.as_str())
    };
    line.contains('\t') && names.all(known)
}

fn from_tsv(line: &str) -> Result<Example, String> {
    let owned = |text: &str| Some(text.trim().to_owned());
    let columns: Vec<&str> = line.split('\t').collect();
    let (text, text_pair, label) = match columns.as_slice() {
        [text] => (text, None, None),
        [text, label] => (text, None, owned(label)),
        [text, pair, label] => (text, owned(pair), owned(label)),
        more => {
            return Err(format!(
                "{} columns; text, text and label, or a pair and label",
                more.len()
            ));
        }
    };
    Ok(Example { text: text.trim().to_owned(), text_pair, label, rationale: Vec::new() })
}

fn from_json(line: &str) -> Result<Example, String> {
    let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let string = |name: &str| match &object[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) if name == "label" => Ok(Some(number.to_string())),
        _ => Err(format!("{name} is not a string")),
    };
    let text = string("text")?.ok_or("the object has no text")?;
    let rationale = rationale(&object["rationale"], text.chars().count())?;
    Ok(Example { text, text_pair: string("text_pair")?, label: string("label")?, rationale })
}

/// Parses `[[start, end], …]` within a text of so many code points.
fn rationale(spans: &Value, length: usize) -> Result<Vec<(usize, usize)>, String> {
    if spans.is_null() {
        return Ok(Vec::new());
    }
    let spans: Vec<(usize, usize)> = serde_json::from_value(spans.clone())
        .map_err(|_| "rationale is not a list of [start, end]".to_owned())?;
    match spans.iter().find(|(start, end)| start >= end || *end > length) {
        None => Ok(spans),
        Some((start, end)) => Err(format!(
            "rationale has [{start}, {end}], which is not a span of the {length} code points of text"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(name: &str, content: &str) -> Result<Vec<Example>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        read(&path)
    }

    #[test]
    fn either_form_gives_the_same() {
        let tsv = read_as("a.tsv", "sentence\tlabel\nso good\t1\n\n").unwrap();
        let jsonl = read_as("a.jsonl", "{\"text\": \"so good\", \"label\": 1}\n").unwrap();
        assert_eq!(tsv, jsonl);
        let pair = read_as("b.tsv", "a\tb\tentailment").unwrap();
        assert_eq!(pair[0].text_pair.as_deref(), Some("b"));
    }

    #[test]
    fn rationales_are_spans_of_code_points() {
        let line = "{\"text\": \"很好吃 yes\", \"rationale\": [[0, 3], [4, 7]]}";
        assert_eq!(read_as("a.jsonl", line).unwrap()[0].rationale, [(0, 3), (4, 7)]);
    }

    #[test]
    fn errors_name_the_line() {
        for (name, content, part) in [
            ("a.jsonl", "{\"text\": \"x\"}\n{\"txt\": 1}", "line 2"),
            ("a.jsonl", "{", "line 1"),
            ("a.jsonl", "{\"text\": \"ab\", \"rationale\": [[1, 3]]}", "[1, 3]"),
            ("a.jsonl", "{\"text\": \"ab\", \"rationale\": [[1, 1]]}", "line 1"),
            ("a.jsonl", "{\"text\": \"ab\", \"rationale\": [0, 1]}", "list of [start, end]"),
            ("a.tsv", "a\tb\tc\td", "4 columns"),
            ("a.csv", "a", ".jsonl or .tsv"),
            ("a.tsv", "\n", "no text"),
        ] {
            let error = read_as(name, content).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
