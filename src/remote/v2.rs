//! The Open Inference Protocol (V2) over REST: a tensor of texts to a tensor of scores.

use serde_json::{Value, json};

use super::scores::Answered;
use super::{Settings, Texts, failed};
use crate::error::Result;

/// The output of explaind itself that has the scores.
const OWN_OUTPUT: &str = "probabilities";

pub fn path(model: &str) -> String {
    format!("/v2/models/{model}/infer")
}

/// Returns the body for these texts.
pub fn body(settings: &Settings, texts: &[Texts]) -> Value {
    let tensor = |name: &str, texts: Vec<&String>| json!({ "name": name, "shape": [texts.len()], "datatype": "BYTES", "data": texts });
    let column = |which: usize| texts.iter().filter_map(|texts| texts.get(which)).collect();
    let mut inputs = vec![tensor(settings.input.as_deref().unwrap_or("text"), column(0))];
    let pairs: Vec<&String> = column(1);
    if !pairs.is_empty() {
        inputs.push(tensor("text_pair", pairs));
    }
    // KServe's own server fails without an id.
    let mut body = json!({ "id": "explaind", "inputs": inputs });
    if let Some(output) = &settings.output {
        body["outputs"] = json!([{ "name": output }]);
    }
    body
}

/// Reads the scores of an answer: of the configured output, else of one called probabilities, else of
/// the first that has numbers or labels.
pub fn answered(settings: &Settings, answer: Value) -> Result<Vec<Answered>> {
    let outputs = answer.get("outputs").and_then(Value::as_array);
    let outputs = outputs.ok_or_else(|| failed("has no list of outputs"))?;
    let called = |name: &str| outputs.iter().find(|output| output["name"] == *name);
    let is_float = |output: &&Value| matches!(output["datatype"].as_str(), Some("FP32" | "FP64"));
    let found = match &settings.output {
        Some(name) => called(name),
        None => {
            called(OWN_OUTPUT).or_else(|| outputs.iter().find(is_float)).or_else(|| outputs.first())
        }
    };
    rows(found.ok_or_else(|| failed("has no output with scores"))?)
}

/// Divides a tensor into the scores of each text.
fn rows(tensor: &Value) -> Result<Vec<Answered>> {
    let garbage = || failed("has a tensor whose data does not have its shape");
    let shape = tensor["shape"].as_array().ok_or_else(garbage)?;
    let count = shape.first().and_then(Value::as_u64).ok_or_else(garbage)? as usize;
    let mut values = Vec::new();
    flatten(&tensor["data"], &mut values);
    let width = values.len().checked_div(count).unwrap_or_default();
    let mut sizes = shape[1..].iter().map(|size| size.as_u64().map(|size| size as usize));
    let expected = sizes.try_fold(1_usize, |all, size| all.checked_mul(size?));
    if width == 0 || expected != Some(width) || width * count != values.len() {
        return Err(garbage());
    }
    values.chunks(width).map(one).collect()
}

fn one(values: &[&Value]) -> Result<Answered> {
    if let [Value::String(label)] = values {
        return Ok(Answered::Label(label.clone()));
    }
    let scores = values.iter().map(|value| value.as_f64()).collect::<Option<_>>();
    scores.map(Answered::Scores).ok_or_else(|| failed("has a score that is not a number"))
}

/// Adds the elements of `data`, which may be nested.
fn flatten<'a>(data: &'a Value, to: &mut Vec<&'a Value>) {
    match data {
        Value::Array(list) => list.iter().for_each(|inner| flatten(inner, to)),
        other => to.push(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::remote::Protocol;

    fn settings(output: Option<&str>) -> Settings {
        Settings {
            url: String::new(),
            model: "m".to_owned(),
            protocol: Protocol::V2,
            timeout: Duration::from_secs(1),
            labels: Vec::new(),
            input: None,
            output: output.map(str::to_owned),
            mask: String::new(),
            max_words: 1,
            batch: 1,
            concurrency: 1,
        }
    }

    #[test]
    fn the_tensor_with_scores_is_found() {
        let tensor = |name: &str, datatype: &str, shape: &[u64], data: Value| json!({"name": name, "datatype": datatype, "shape": shape, "data": data});
        let label = tensor("label", "BYTES", &[2], json!(["a", "b"]));
        let nested = tensor("x", "FP32", &[2, 2], json!([[0.1, 0.9], [0.2, 0.8]]));
        let flat = tensor("y", "FP64", &[2, 1], json!([3., 4.]));
        let scores =
            |output, outputs: Vec<&Value>| answered(&settings(output), json!({"outputs": outputs}));
        let two = [Answered::Scores(vec![0.1, 0.9]), Answered::Scores(vec![0.2, 0.8])];
        assert_eq!(scores(None, vec![&label, &nested, &flat]).unwrap(), two);
        assert_eq!(
            scores(Some("y"), vec![&label, &nested, &flat]).unwrap()[1],
            Answered::Scores(vec![4.])
        );
        assert_eq!(scores(None, vec![&label]).unwrap()[1], Answered::Label("b".to_owned()));
        assert!(scores(Some("z"), vec![&label]).is_err());
        for (shape, data) in [
            (vec![2_u64, 2], json!([1., 2., 3.])),
            (vec![2, 3], json!([1., 2., 3., 4.])),
            (vec![0], json!([])),
            (vec![], json!([1.])),
            (vec![1, u64::MAX, u64::MAX], json!([1.])),
            (vec![1], json!([null])),
            (vec![1], json!("x")),
        ] {
            let garbage = tensor("x", "FP32", &shape, data);
            let found = scores(None, vec![&garbage]);
            assert!(
                found.is_err() || found.unwrap() == [Answered::Label("x".to_owned())],
                "{garbage}"
            );
        }
    }
}
