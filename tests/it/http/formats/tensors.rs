//! Safetensors responses, compared with the JSON response of the same request.

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::{GREAT, HOSTILE};
use crate::http::tasks;
use crate::support::service::{Running, start};

/// Inserts the tensors of a file into the JSON of its metadata.
fn merged(bytes: &[u8]) -> Value {
    let (_, metadata) = SafeTensors::read_metadata(bytes).expect("a header");
    let rest = &metadata.metadata().as_ref().expect("metadata")["explaind"];
    let mut answer: Value = serde_json::from_str(rest).expect("JSON");
    let tensors = SafeTensors::deserialize(bytes).expect("tensors");
    assert!(!tensors.is_empty());
    for (name, tensor) in tensors.tensors() {
        let array = answer.pointer_mut(&format!("/{}", name.replace('.', "/"))).expect("a field");
        assert_eq!(*array, json!({ "tensor": name }));
        let numbers = tensor.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        *array = nested(tensor.shape(), &numbers.collect::<Vec<_>>());
    }
    answer
}

fn nested(shape: &[usize], numbers: &[f32]) -> Value {
    match shape {
        [] | [_] => json!(numbers),
        [_, inner @ ..] => {
            let size = inner.iter().product::<usize>().max(1);
            numbers.chunks(size).map(|part| nested(inner, part)).collect()
        }
    }
}

/// Rounds every number to f32, as both formats do, and removes times, which always differ.
fn single(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap() as f32),
        Value::Array(list) => list.iter().map(single).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "compute_ms");
            fields.map(|(name, value)| (name.clone(), single(value))).collect()
        }
        other => other.clone(),
    }
}

/// Asserts that the file has the content of the JSON response, and returns the tensor names.
async fn same(service: &Running, body: Value) -> Vec<String> {
    let reply = service.render("application/x-safetensors", body.clone()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let (ours, answer) = (merged(&reply.body), service.explain(body).await);
    for part in ["model", "results"] {
        assert_eq!(single(&ours[part]), single(&answer[part]));
    }
    let tensors = SafeTensors::deserialize(&reply.body).unwrap();
    let mut names: Vec<String> = tensors.names().into_iter().map(ToOwned::to_owned).collect();
    names.sort();
    names
}

#[tokio::test]
async fn arrays_are_tensors_and_the_rest_is_json() {
    let service = start().await;
    let body = json!({
        "inputs": [{"text": GREAT, "spans": [[0, 4]]}, "", "So so. And bad."],
        "methods": ["saliency", "input_x_gradient"], "target": "all", "attention": true,
        "granularity": ["token", "word", "sentence"],
    });
    let names = same(&service, body).await;
    assert!(names.contains(&"results.0.explanations.3.attributions.span".to_owned()));
    assert!(names.contains(&"results.2.explanations.0.attributions.sentence".to_owned()));
    assert!(names.contains(&"results.2.attention.weights".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("results.1.")));
    assert_eq!(names.len(), 4 * 4 + 1 + 4 * 3 + 1);
}

#[tokio::test]
async fn hostile_texts_are_unchanged() {
    let service = start().await;
    for hostile in HOSTILE {
        same(&service, json!({"inputs": hostile, "methods": ["saliency"]})).await;
    }
}

#[tokio::test]
async fn every_task_has_its_tensors() {
    let running = tasks::start().await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    for (model, inputs, name) in [
        ("tokens", json!("The actor made it."), "results.0.explanations.0.attributions.token"),
        ("answer", pair.clone(), "results.0.explanations.1.attributions.word"),
        ("masks", json!("It is <mask> good."), "results.0.attention.weights"),
        ("next", pair.clone(), "results.0.attention.weights"),
        ("similar", pair.clone(), "results.0.similarity.matrix"),
        ("similar", pair, "results.0.similarity.embedding_pair"),
        ("similar", json!({"text": "a", "text_pair": "b"}), "results.0.similarity.embedding"),
    ] {
        let names = same(&running, json!({"model": model, "inputs": inputs})).await;
        assert!(names.contains(&name.to_owned()), "{model}: {names:?}");
    }
}
