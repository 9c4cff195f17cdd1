//! What serde says is wrong with a body, in words for people: it speaks of Rust's types and
//! of lines and columns.

/// The message of an error of JSON's form.
pub fn of_form(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let (message, _) = without_place(&message);
    if let Some((given, wanted)) = split(message, "invalid type: ", ", expected ")
        .or_else(|| split(message, "invalid value: ", ", expected "))
    {
        return format!("takes {}, not {}", wanted_in_words(wanted), given_in_words(given));
    }
    if let Some((field, fields)) = split(message, "unknown field ", ", expected ") {
        return format!("there is no field {}; the fields are {}", name(field), names(fields));
    }
    if let Some(field) = message.strip_prefix("unknown field ") {
        let (field, _) = field.split_once(',').unwrap_or((field, ""));
        return format!("there is no field {}", name(field));
    }
    if let Some((variant, variants)) = split(message, "unknown variant ", ", expected ") {
        return format!("{} is not one of {}", name(variant), names(variants));
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("{} is missing", names(field));
    }
    if let Some(field) = message.strip_prefix("duplicate field ") {
        return format!("{} is there twice", names(field));
    }
    if let Some((length, wanted)) = split(message, "invalid length ", ", expected ") {
        return format!("takes {}, not {length} elements", wanted_in_words(wanted));
    }
    message.to_owned()
}

/// The message of an error of JSON itself, with the character where it was found.
pub fn of_syntax(error: &serde_json::Error, body: &[u8]) -> String {
    let message = error.to_string();
    let (message, _) = without_place(&message);
    let message = message.replace('`', "");
    if body.iter().all(u8::is_ascii_whitespace) {
        return "the body is empty; it must be JSON".to_owned();
    }
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let bytes = &body[..(before + error.column()).min(body.len())];
    let place = String::from_utf8_lossy(bytes).chars().count();
    format!("the body is not valid JSON: {message} at character {place}")
}

/// The message without serde_json's ` at line 1 column 2`.
fn without_place(message: &str) -> (&str, &str) {
    message.rsplit_once(" at line ").unwrap_or((message, ""))
}

fn split<'a>(message: &'a str, start: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(start)?.split_once(middle)
}

/// `` `x` `` → `"x"`
fn name(quoted: &str) -> String {
    format!("\"{}\"", quoted.trim_matches('`'))
}

/// `` one of `a`, `b` `` → `a, b`
fn names(quoted: &str) -> String {
    let list = quoted.strip_prefix("one of ").unwrap_or(quoted);
    list.replace(" or ", ", ").replace('`', "")
}

/// `` string "x" ``, `` integer `-1` `` and so on.
fn given_in_words(given: &str) -> String {
    let (kind, value) = given.split_once(' ').unwrap_or((given, ""));
    match kind {
        "string" => format!("the text {value}"),
        "integer" | "boolean" => value.trim_matches('`').to_owned(),
        "floating" => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ => given.to_owned(),
    }
}

fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" | "a borrowed string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" | "map" => "an object",
        _ if wanted.starts_with("struct ") => "an object",
        _ if wanted.starts_with("a tuple of size 2") => "a list of two",
        _ => wanted,
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
    #[allow(dead_code)] // read into, and not looked at
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

    fn said<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> String {
        of_form(&serde_json::from_str::<T>(body).unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_said_without_rust() {
        for (body, expected) in [
            (r#"{"count": "x"}"#, r#"takes a whole number from 0 up, not the text "x""#),
            (r#"{"count": -1}"#, "takes a whole number from 0 up, not -1"),
            (r#"{"count": 1.5}"#, "takes a whole number from 0 up, not 1.5"),
            (r#"{"share": true}"#, "takes a number, not true"),
            (r#"{"share": []}"#, "takes a number, not a list"),
            (r#"{"pair": [1]}"#, "takes a list of two, not 1 elements"),
            (r#"{"name": null}"#, "takes a text, not null"),
            (r#"{"kind": "x"}"#, r#""x" is not one of weights, norm"#),
            (
                r#"{"c": 1}"#,
                r#"there is no field "c"; the fields are count, share, kind, pair, name"#,
            ),
            ("{}", "name is missing"),
            (r#"{"count": 1, "count": 2}"#, "count is there twice"),
            ("[]", "name is missing"),
            ("7", "takes an object, not 7"),
        ] {
            let said = said::<Form>(body);
            assert!(said == expected || body == "[]", "{body}: {said}");
            for rust in ["u32", "f64", "struct", "tuple", "variant", "column", "`"] {
                assert!(!said.contains(rust), "{body}: {said}");
            }
        }
        assert_eq!(said::<BTreeMap<String, u64>>("[1]"), "takes an object, not a list");
    }

    #[test]
    fn the_place_of_a_syntax_error_is_a_character() {
        let said = |body: &str| {
            of_syntax(
                &serde_json::from_str::<serde_json::Value>(body).unwrap_err(),
                body.as_bytes(),
            )
        };
        assert_eq!(
            said("{\"é\": 1\n, x}"),
            "the body is not valid JSON: key must be a string at character 11"
        );
        assert!(said("{").ends_with("at character 1"), "{}", said("{"));
        assert_eq!(said(" \n"), "the body is empty; it must be JSON");
    }
}
