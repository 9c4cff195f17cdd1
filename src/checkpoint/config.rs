//! The fields of config.json that all architectures share.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{CONFIG, Checkpoint, LoadError};

/// The content of config.json. `dtype` and `torch_dtype` are ignored: each tensor has its
/// own type.
#[derive(Debug, Deserialize)]
pub struct ModelConfig {
    pub model_type: String,
    /// transformers class names; the first one selects the task head.
    #[serde(default, deserialize_with = "none_if_null")]
    pub architectures: Vec<String>,
    #[serde(default)]
    id2label: Value,
    #[serde(default)]
    label2id: Value,
    /// For classifiers: single label, multi label or regression.
    #[serde(default)]
    pub problem_type: Option<String>,
    /// All other fields, including those of the architecture.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

fn none_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ModelConfig {
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        serde_json::from_slice(checkpoint.required(CONFIG)?)
            .map_err(|error| checkpoint.error(CONFIG, error))
    }

    /// Returns the labels of a classifier with `count` outputs, in order.
    ///
    /// `id2label` takes precedence. If it is missing, `label2id` is used. If that is missing or
    /// incomplete, or `id2label` has only transformers' placeholders, the labels are
    /// `LABEL_0`, `LABEL_1`, … An `id2label` with more or fewer names than `count` is an
    /// error: a wrong label is worse than none.
    pub fn labels(&self, count: usize) -> Result<Vec<String>, String> {
        let labels = self.labels_unchecked(count)?;
        check_names(&labels)?;
        Ok(labels)
    }

    fn labels_unchecked(&self, count: usize) -> Result<Vec<String>, String> {
        let names = read_id2label(&self.id2label)?;
        if !names.values().all(|name| is_placeholder(name)) {
            return in_order(&names, count).ok_or_else(|| {
                format!(
                    "id2label names {:?}, the head has {count} outputs; name each, or remove \
                     id2label to have them called LABEL_0, LABEL_1, …",
                    names.values().collect::<Vec<_>>()
                )
            });
        }
        let reversed = names.is_empty().then(|| read_label2id(&self.label2id)).flatten();
        let labels = reversed.and_then(|names| in_order(&names, count));
        Ok(labels.unwrap_or_else(|| (0..count).map(|index| format!("LABEL_{index}")).collect()))
    }
}

/// Converts a label to a string; labels may be numbers or booleans.
pub fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Rejects duplicate names: clients could not refer to either label.
pub fn check_names(names: &[String]) -> Result<(), String> {
    let mut indices = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = indices.insert(name, index) {
            return Err(format!("labels {first} and {index} are both called {name:?}; rename one"));
        }
    }
    Ok(())
}

/// The case-insensitive prefix of the entailment label.
const ENTAILMENT: &str = "entail";

impl ModelConfig {
    /// Returns the index of the entailment label, by the rule of transformers' zero-shot
    /// pipeline: the first `label2id` entry with the prefix, else the first of `labels`.
    pub fn entailment(&self, labels: &[String]) -> Option<usize> {
        let entails = |name: &String| name.to_lowercase().starts_with(ENTAILMENT);
        let by_id = read_label2id(&self.label2id).unwrap_or_default();
        let named = by_id.iter().find(|(_, name)| entails(name)).map(|(&id, _)| id);
        let by_label = || labels.iter().position(entails);
        named.filter(|&id| id < labels.len()).or_else(by_label)
    }
}

/// Returns the names in index order if the indices are exactly `0..count`.
fn in_order(names: &BTreeMap<usize, String>, count: usize) -> Option<Vec<String>> {
    let all = names.len() == count && names.keys().copied().eq(0..count);
    all.then(|| names.values().cloned().collect())
}

fn is_placeholder(name: &str) -> bool {
    name.strip_prefix("LABEL_").is_some_and(|number| number.parse::<usize>().is_ok())
}

/// Parses `id2label`. Its keys are numbers in strings; names may be numbers.
fn read_id2label(value: &Value) -> Result<BTreeMap<usize, String>, String> {
    let entries = match value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(entries) => entries,
        _ => return Err("id2label is not an object".to_owned()),
    };
    let entry =
        |(id, name): (&String, &Value)| Some((id.trim().parse::<usize>().ok()?, self::name(name)?));
    let invalid = || "id2label must map numbers to names".to_owned();
    entries.iter().map(entry).collect::<Option<_>>().ok_or_else(invalid)
}

/// Parses `label2id`. Ids are numbers or, in old files, strings.
fn read_label2id(value: &Value) -> Option<BTreeMap<usize, String>> {
    let entry = |(name, id): (&String, &Value)| {
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        Some((text.trim().parse::<usize>().ok()?, name.clone()))
    };
    value.as_object()?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(id2label: Value, label2id: Value, count: usize) -> Result<Vec<String>, String> {
        let file = json!({"model_type": "bert", "id2label": id2label, "label2id": label2id});
        serde_json::from_value::<ModelConfig>(file).unwrap().labels(count)
    }

    #[test]
    fn label_sources_by_precedence() {
        let (none, generic) = (Value::Null, ["LABEL_0", "LABEL_1"]);
        for (id2label, label2id, expected) in [
            (json!({"0": "no", "1": "yes"}), none.clone(), ["no", "yes"]),
            (json!({"1": "yes", "0": "no"}), json!({"x": 0, "y": 1}), ["no", "yes"]),
            (json!({"0": 1, "1": 5}), none.clone(), ["1", "5"]),
            (none.clone(), json!({"yes": "1", "no": "0"}), ["no", "yes"]),
            (none.clone(), json!({"yes": 1, "no": 0}), ["no", "yes"]),
            (none.clone(), json!({"yes": 1, "no": 1}), generic),
            (none.clone(), none.clone(), generic),
            (json!({}), none.clone(), generic),
            (json!({"0": "LABEL_0", "1": "LABEL_1"}), none.clone(), generic),
            (json!({"0": "LABEL_0"}), json!({"yes": 1, "no": 0}), generic),
        ] {
            let case = format!("{id2label} {label2id}");
            assert_eq!(labels(id2label, label2id, 2).unwrap(), expected, "{case}");
        }
    }

    #[test]
    fn entailment_is_found_as_in_the_pipeline() {
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let file = |label2id: Value| json!({"model_type": "bert", "label2id": label2id});
        let found = |label2id: Value, labels: [&str; 2]| {
            let config = serde_json::from_value::<ModelConfig>(file(label2id)).unwrap();
            config.entailment(&names(labels))
        };
        let plain = ["LABEL_0", "LABEL_1"];
        assert_eq!(found(json!({"no": 0, "ENTAILED": 1}), plain), Some(1));
        assert_eq!(found(json!({"entailment": 0, "no": 1}), ["no", "entailment"]), Some(0));
        assert_eq!(found(json!({"entailment": 7}), ["no", "Entailment"]), Some(1));
        assert_eq!(found(Value::Null, ["entailment", "no"]), Some(0));
        assert_eq!(found(Value::Null, ["not_entailment", "other"]), None);
    }

    #[test]
    fn mismatched_labels_are_rejected() {
        for id2label in [
            json!({"0": "no"}),
            json!({"0": "no", "1": "yes", "2": "maybe"}),
            json!({"1": "no", "2": "yes"}),
            json!({"a": "no", "b": "yes"}),
            json!({"0": "no", "1": "no"}),
            json!({"0": ["no"], "1": "yes"}),
            json!(["no", "yes"]),
        ] {
            assert!(labels(id2label.clone(), Value::Null, 2).is_err(), "{id2label}");
        }
    }

    #[test]
    fn null_means_missing() {
        let file = json!({"model_type": "bert", "architectures": null, "torch_dtype": "float16"});
        assert!(serde_json::from_value::<ModelConfig>(file).unwrap().architectures.is_empty());
    }
}
