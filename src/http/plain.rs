//! Rewrites serde's error messages for clients, because they mention Rust types, lines and columns.

use crate::config::expected::in_words;

/// Returns the message for valid JSON that does not match the type. `field` is the path of the
/// value, such as `inputs[0].text`; empty for the whole body.
pub fn data_error(error: &serde_json::Error, field: &str) -> String {
    let message = error.to_string();
    let message = without_location(&message);
    let subject = if field.is_empty() { "the body" } else { field };
    let prefix = if field.is_empty() { String::new() } else { format!("{field}.") };
    if let Some((given, expected)) = split(message, "invalid type: ", ", expected ")
        .or_else(|| split(message, "invalid value: ", ", expected "))
    {
        let (expected, given) = (in_words(expected), describe_given(given));
        return format!("{subject} must be {expected}, not {given}");
    }
    if let Some((length, expected)) = split(message, "invalid length ", ", expected ") {
        // serde_json's words for a list that is too long for its type.
        if expected == "fewer elements in array" {
            return format!("{subject} has more elements than allowed");
        }
        return format!("{subject} must be {}, not a list of {length}", in_words(expected));
    }
    if let Some((given, names)) = split(message, "unknown variant ", ", expected ") {
        return format!("{subject} must be {}, not {}", unquoted(names), shortened(&quoted(given)));
    }
    if let Some((name, names)) = split(message, "unknown field ", ", expected ") {
        let names = unquoted(names.strip_prefix("one of ").unwrap_or(names)).replace(" or ", ", ");
        return format!("there is no field {}; the fields are {names}", shortened(&quoted(name)));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{prefix}{} is missing", unquoted(name));
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return format!("{prefix}{} appears twice", unquoted(name));
    }
    message.to_owned()
}

/// Returns the message for invalid JSON, with the position of the error in characters.
pub fn syntax_error(error: &serde_json::Error, body: &[u8]) -> String {
    if body.iter().all(u8::is_ascii_whitespace) {
        return "the body is empty; it must be JSON".to_owned();
    }
    let message = error.to_string();
    let message = describe_syntax(without_location(&message));
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let bytes = &body[..(before + error.column()).min(body.len())];
    let position = String::from_utf8_lossy(bytes).chars().count();
    format!("the body is not valid JSON: {message} at character {position}")
}

/// Rewrites serde_json's message where it is written for programmers.
fn describe_syntax(message: &str) -> String {
    match message {
        "EOF while parsing a value" => "a value is missing".to_owned(),
        "EOF while parsing a string" => "a string is not closed".to_owned(),
        "EOF while parsing a list" => "a list is not closed".to_owned(),
        "EOF while parsing an object" => "an object is not closed".to_owned(),
        "expected value" => "there is no value".to_owned(),
        "expected ident" => "an unknown word".to_owned(),
        "trailing characters" => "text after the end".to_owned(),
        "unexpected end of hex escape" => "an incomplete \\u escape".to_owned(),
        _ => message.replace('`', ""),
    }
}

/// Removes serde_json's ` at line 1 column 2` from a message.
fn without_location(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

fn split<'a>(message: &'a str, start: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(start)?.split_once(middle)
}

/// `` `x` `` → `"x"`
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.trim_matches('`'))
}

/// `` `a` or `b` `` → `a or b`
fn unquoted(names: &str) -> String {
    names.replace('`', "")
}

/// The most characters of a value that are repeated in a message.
const MAX_SHOWN: usize = 80;

fn shortened(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…\"", &value[..end]),
        None => value.to_owned(),
    }
}

/// `` string "x" ``, `` integer `-1` `` and so on.
fn describe_given(given: &str) -> String {
    let (kind, value) = given.split_once(' ').unwrap_or((given, ""));
    match kind {
        "string" => shortened(value),
        "integer" | "boolean" => value.trim_matches('`').to_owned(),
        "floating" => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ => given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    #[allow(dead_code)] // only deserialized
    struct Form {
        count: Option<u32>,
        share: Option<f64>,
        kind: Option<Kind>,
        pair: Option<(usize, usize)>,
        name: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Weights,
        Norm,
    }

    fn message<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> String {
        data_error(&serde_json::from_str::<T>(body).unwrap_err(), "outer")
    }

    #[test]
    fn data_errors_do_not_mention_rust_types() {
        for (body, expected) in [
            (r#"{"count": "x"}"#, r#"outer must be a non-negative integer, not "x""#),
            (r#"{"count": -1}"#, "outer must be a non-negative integer, not -1"),
            (r#"{"count": 1.5}"#, "outer must be a non-negative integer, not 1.5"),
            (r#"{"share": true}"#, "outer must be a number, not true"),
            (r#"{"share": []}"#, "outer must be a number, not a list"),
            (r#"{"pair": [1]}"#, "outer must be a list of two, not a list of 1"),
            (r#"{"name": null}"#, "outer must be a string, not null"),
            (r#"{"kind": "x"}"#, r#"outer must be weights or norm, not "x""#),
            (
                r#"{"c": 1}"#,
                r#"there is no field "c"; the fields are count, share, kind, pair, name"#,
            ),
            ("{}", "outer.name is missing"),
            (r#"{"count": 1, "count": 2}"#, "outer.count appears twice"),
            ("[]", "outer.name is missing"),
            ("7", "outer must be an object, not 7"),
        ] {
            let message = message::<Form>(body);
            assert!(message == expected || body == "[]", "{body}: {message}");
            for rust in ["u32", "f64", "struct", "tuple", "variant", "column", "`"] {
                assert!(!message.contains(rust), "{body}: {message}");
            }
        }
        assert_eq!(message::<BTreeMap<String, u64>>("[1]"), "outer must be an object, not a list");
    }

    #[test]
    fn errors_name_the_body_and_shorten_long_values() {
        let error = serde_json::from_str::<u32>(&format!("\"{}\"", "é".repeat(900))).unwrap_err();
        let message = data_error(&error, "");
        assert!(
            message.starts_with("the body must be a non-negative integer, not \"é"),
            "{message}"
        );
        assert!(message.ends_with("é…\""), "{message}");
        assert!(message.chars().count() < 150, "{message}");
    }

    #[test]
    fn syntax_errors_have_a_position_in_characters() {
        let message = |body: &str| {
            syntax_error(
                &serde_json::from_str::<serde_json::Value>(body).unwrap_err(),
                body.as_bytes(),
            )
        };
        assert_eq!(
            message("{\"é\": 1\n, x}"),
            "the body is not valid JSON: key must be a string at character 11"
        );
        for (body, expected) in [
            ("{", "an object is not closed at character 1"),
            ("[1", "a list is not closed at character 2"),
            ("\"a", "a string is not closed at character 2"),
            ("nothing", "an unknown word at character 2"),
            ("NaN", "there is no value at character 1"),
            ("1 2", "text after the end at character 3"),
        ] {
            assert_eq!(message(body), format!("the body is not valid JSON: {expected}"));
        }
        assert_eq!(message(" \n"), "the body is empty; it must be JSON");
    }
}
