//! KServe's V1 protocol: `{"instances": […]}` to `{"predictions": […]}`.

use serde_json::{Map, Value, json};

use super::scores::Answered;
use super::{Settings, Texts, failed};
use crate::error::Result;

pub fn path(model: &str) -> String {
    format!("/v1/models/{model}:predict")
}

/// Returns the body for these texts. An instance is the text itself unless it has a field for it,
/// and an object for a pair.
pub fn body(settings: &Settings, texts: &[Texts]) -> Value {
    let instance = |texts: &Texts| match (texts.as_slice(), &settings.input) {
        ([text], None) => json!(text),
        ([text], Some(field)) => json!({ field: text }),
        ([text, pair, ..], field) => {
            json!({ field.as_deref().unwrap_or("text"): text, "text_pair": pair })
        }
        ([], _) => Value::Null,
    };
    json!({ "instances": texts.iter().map(instance).collect::<Vec<Value>>() })
}

/// Reads the predictions of an answer.
pub fn answered(mut answer: Value) -> Result<Vec<Answered>> {
    match answer.get_mut("predictions").map(Value::take) {
        Some(Value::Array(predictions)) => predictions.iter().map(one).collect(),
        _ => Err(failed("has no list of predictions")),
    }
}

/// Reads one prediction: a number, a list of them, a label, numbers by label, or a list of objects
/// with a label and its score or probability.
fn one(prediction: &Value) -> Result<Answered> {
    let known = match prediction {
        Value::Number(number) => number.as_f64().map(|score| Answered::Scores(vec![score])),
        Value::String(label) => Some(Answered::Label(label.clone())),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_object) => named(list),
        Value::Array(list) if !list.is_empty() => {
            list.iter().map(Value::as_f64).collect::<Option<_>>().map(Answered::Scores)
        }
        Value::Object(fields) => match fields.get("predictions") {
            Some(Value::Array(list)) => named(list),
            _ => by_label(fields),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    };
    known.ok_or_else(|| failed("has a prediction without scores, such as [0.1, 0.9]"))
}

/// Reads objects, in the order of their indexes if they have some.
fn named(list: &[Value]) -> Option<Answered> {
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_key(|one| one.get("index").and_then(Value::as_u64));
    let score = |one: &&Value| {
        let score = one.get("probability").or_else(|| one.get("score"))?.as_f64()?;
        Some((one.get("label")?.as_str()?.to_owned(), score))
    };
    list.iter().map(score).collect::<Option<_>>().map(Answered::Named)
}

/// Reads numbers by label; labels that are numbers are in their order.
fn by_label(fields: &Map<String, Value>) -> Option<Answered> {
    let score = |(label, score): (&String, &Value)| Some((label.clone(), score.as_f64()?));
    let mut scores = fields.iter().map(score).collect::<Option<Vec<_>>>()?;
    scores.sort_by_key(|(label, _)| label.parse::<u64>().ok());
    (!scores.is_empty()).then_some(Answered::Named(scores))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_have_many_forms() {
        let named = |names: [(&str, f64); 2]| {
            Answered::Named(names.map(|(name, score)| (name.to_owned(), score)).into())
        };
        let own = json!({"id": null, "predictions": [
            {"label": "P", "index": 1, "logit": 3., "probability": 0.9},
            {"label": "N", "index": 0, "logit": -3., "probability": 0.1},
        ]});
        for (prediction, expected) in [
            (json!(0.3), Answered::Scores(vec![0.3])),
            (json!([0.1, 0.9]), Answered::Scores(vec![0.1, 0.9])),
            (json!("N"), Answered::Label("N".to_owned())),
            (json!({"10": 0.9, "9": 0.1}), named([("9", 0.1), ("10", 0.9)])),
            (
                json!([{"label": "N", "score": 0.1}, {"label": "P", "score": 0.9}]),
                named([("N", 0.1), ("P", 0.9)]),
            ),
            (own, named([("N", 0.1), ("P", 0.9)])),
        ] {
            assert_eq!(answered(json!({"predictions": [prediction]})).unwrap(), [expected]);
        }
        for garbage in [
            json!(null),
            json!([]),
            json!({}),
            json!([[0.1]]),
            json!(["NaN"]),
            json!({"a": "b"}),
            json!(true),
        ] {
            assert!(answered(json!({"predictions": [garbage]})).is_err(), "{garbage}");
        }
        assert!(answered(json!([])).is_err());
        assert!(answered(json!({"predictions": 1})).is_err());
    }
}
