//! Short forms of request fields mean the same as their full forms.

use serde_json::{Value, json};

use super::GREAT;
use crate::support::service;

/// Returns the request with `fields`, on one short text.
fn body(fields: Value) -> Value {
    let mut body = json!({"inputs": GREAT, "methods": ["saliency"], "attention": false});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn short_forms_mean_the_same() {
    let service = service::start().await;
    for (short, full) in [
        (json!({"methods": "lime"}), json!({"methods": ["lime"]})),
        (
            json!({"methods": {"name": "occlusion", "unit": "token"}}),
            json!({"methods": [{"name": "occlusion", "unit": "token"}]}),
        ),
        (json!({"target": "NEGATIVE"}), json!({"target": {"label": "NEGATIVE"}})),
        (json!({"target": 0}), json!({"target": {"index": 0}})),
        (
            json!({"inputs": [["Was it good?", "It was."]]}),
            json!({"inputs": [{"text": "Was it good?", "text_pair": "It was."}]}),
        ),
        (
            json!({"inputs": {"text": GREAT, "id": 7}}),
            json!({"inputs": {"text": GREAT, "id": "7"}}),
        ),
    ] {
        let (short, full) = (body(short), body(full));
        let (a, b) = (service.explain(short.clone()).await, service.explain(full).await);
        assert_eq!(a["results"], b["results"], "{short}");
    }
}

#[tokio::test]
async fn errors_in_short_forms_have_their_pointers() {
    let service = service::start().await;
    for (fields, code, pointer) in [
        (json!({"methods": "limes"}), "method_not_supported", "/methods"),
        (json!({"methods": {"name": "lime", "unit": "words"}}), "invalid_field", "/methods/unit"),
        (json!({"target": "NEGATIV"}), "target_not_found", "/target"),
        (json!({"target": 2}), "target_not_found", "/target"),
        (json!({"target": -1}), "invalid_field", "/target"),
        (json!({"inputs": [["a", "b", "c"]]}), "invalid_field", "/inputs/0"),
        (json!({"inputs": [["a", ""]]}), "input_empty", "/inputs/0/1"),
        (json!({"inputs": [["", "b"]]}), "input_empty", "/inputs/0/0"),
        (json!({"inputs": [["a", 1]]}), "invalid_field", "/inputs/0/1"),
        (json!({"inputs": {"text": "a", "id": 1.5}}), "invalid_field", "/inputs/id"),
        (json!({"output": "logits"}), "invalid_field", "/output"),
        (json!({"evaluate": {"rule": 3}}), "invalid_field", "/evaluate/rule"),
    ] {
        let body = body(fields);
        let reply = service.post("/explain", &body).await;
        let text = reply.json().to_string();
        let error = match reply.status.as_u16() {
            // An input in a list has its error in its place.
            200 => reply.json()["results"][0]["error"].clone(),
            _ => reply.json(),
        };
        assert_eq!(error["code"], code, "{body}: {text}");
        assert_eq!(error["pointer"], pointer, "{body}: {text}");
        let detail = error["detail"].as_str().unwrap();
        for rust in ["variant", "untagged", "u64", "i64", "usize", "floating point"] {
            assert!(!detail.contains(rust), "{body}: {detail}");
        }
    }
}
