//! Deserializes the configuration and reports every error, not only the first.

use figment::error::{Actual, Error, Kind};
use figment::value::Value;
use figment::{Figment, Source};

use super::Config;
use super::expected::in_words;
use crate::explanation::Groups;

/// A setting that older configurations have.
const REPLACED: &str = "engine.backend";
const BY_DEVICE: &str = "replaced by engine.device: \"cpu\" and \"reference\" are the same there, \
    \"cuda\" is \"cuda:0\"";

/// serde stops at the first error, so this records each error, removes its value and tries again.
pub fn config(layers: &Figment, mut tree: Value) -> (Option<Config>, Vec<String>) {
    let mut errors = Vec::new();
    loop {
        let error = match tree.deserialize::<Config>() {
            Ok(config) => return (Some(config), errors),
            Err(error) => error,
        };
        let path = path_of(&error);
        let key = path.join(".");
        let source = layers.find_metadata(&key).map_or_else(String::new, |metadata| {
            match &metadata.source {
                // A place in this program, which tells a reader nothing.
                Some(Source::Code(_)) => String::new(),
                Some(source) => format!(" (from {source})"),
                None => " (from the environment)".to_owned(),
            }
        });
        let message = match key.as_str() {
            REPLACED => BY_DEVICE.to_owned(),
            _ => message(&error.kind),
        };
        errors.push(format!("{key}: {message}{source}"));
        if !remove(&mut tree, &path) {
            return (None, errors);
        }
    }
}

/// Extracts the table `lexicon`, which must be there.
pub fn lexicon(layers: &Figment) -> Result<Groups, String> {
    let table = layers.find_value("lexicon");
    let table = table.map_err(|error| match &error.kind {
        Kind::MissingField(_) => "it has no table [lexicon]".to_owned(),
        _ => error.to_string(),
    })?;
    table.deserialize().map_err(|error| {
        let path: Vec<String> =
            std::iter::once("lexicon".to_owned()).chain(path_of(&error)).collect();
        format!("{}: {}", path.join("."), message(&error.kind))
    })
}

fn path_of(error: &Error) -> Vec<String> {
    let mut path = error.path.clone();
    if let Kind::UnknownField(name, _) = &error.kind
        && path.last() != Some(name)
    {
        path.push(name.clone());
    }
    path
}

fn remove(tree: &mut Value, path: &[String]) -> bool {
    let (Some(name), Value::Dict(_, dict)) = (path.first(), tree) else { return false };
    let removed =
        path.len() > 1 && dict.get_mut(name).is_some_and(|inner| remove(inner, &path[1..]));
    removed || dict.remove(name).is_some()
}

/// Describes an error without the names of Rust's types.
fn message(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(given, expected) | Kind::InvalidValue(given, expected) => {
            let expected = in_words(expected).replace("an object", "a table");
            format!("must be {expected}, not {}", shown(given))
        }
        Kind::UnknownVariant(given, known) => {
            format!("must be one of {}, not {given:?}", known.join(", "))
        }
        Kind::UnknownField(_, known) => {
            format!("there is no such setting; the settings here are {}", known.join(", "))
        }
        Kind::MissingField(name) => format!("{name} is missing"),
        Kind::Message(text) if text == "invalid socket address syntax" => {
            "must be ADDR:PORT, such as 127.0.0.1:8080".to_owned()
        }
        other => other.to_string(),
    }
}

fn shown(given: &Actual) -> String {
    match given {
        Actual::Str(text) => format!("{text:?}"),
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Serialized, Toml};

    use super::*;

    #[test]
    fn errors_do_not_mention_rust_types() {
        for (text, expected) in [
            (
                "[limits]\ninputs = \"many\"",
                "limits.inputs: must be a non-negative integer, not \"many\"",
            ),
            ("[limits]\ninputs = -1", "limits.inputs: must be a non-negative integer, not -1"),
            ("limits = 1", "limits: must be a table, not 1"),
            ("[log]\nformat = \"yaml\"", "log.format: must be one of text, json, not \"yaml\""),
            (
                "[engine]\nbackend = \"cuda\"",
                "engine.backend: replaced by engine.device: \"cpu\" and \"reference\" are the same \
                 there, \"cuda\" is \"cuda:0\"",
            ),
            (
                "[engine]\ndevice = \"gpu\"",
                "engine.device: must be one of \"auto\", \"cpu\", \"cuda:N\", \"portable\", \
                 \"reference\", not \"gpu\"",
            ),
            (
                "[cache]\nsize = 1",
                "cache.size: there is no such setting; the settings here are mebibytes",
            ),
            (
                "[server]\nlisten = \"here\"",
                "server.listen: must be ADDR:PORT, such as 127.0.0.1:8080",
            ),
            ("[[models]]\nid = \"a\"", "models.0: source is missing"),
        ] {
            let layers = Figment::from(Serialized::defaults(Config::default()));
            let layers = layers.merge(Toml::string(text));
            let (_, errors) = config(&layers, layers.extract().unwrap());
            assert!(errors[0].starts_with(expected), "{text}: {errors:?}");
        }
    }
}
