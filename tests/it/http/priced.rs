//! Limits that are checked before anything is computed.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::{Config, Limits};
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Running, start, start_with, untimed};

/// Asserts that a request is rejected and returns the pointer and detail of the error.
async fn rejected(service: &Running, request: Value, code: &str) -> (String, String) {
    let problem = service.post("/explain", request.clone()).await.problem(422, code);
    let estimated = service.post("/estimate", request).await.problem(422, code);
    assert_eq!(estimated["detail"], problem["detail"], "/estimate has the same checks");
    let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
    (text("pointer"), text("detail"))
}

#[tokio::test]
async fn duplicates_are_rejected() {
    let service = start().await;
    let same = json!({"name": "saliency", "norm": "l2"});
    for (fields, pointer) in [
        (json!({"methods": ["saliency", "lime", "saliency"]}), "/methods/2"),
        // l2 is the default norm.
        (json!({"methods": ["saliency", same]}), "/methods/1"),
        (json!({"granularity": ["token", "word", "token"]}), "/granularity/2"),
        (json!({"evaluate": ["sufficiency", "sufficiency"]}), "/evaluate/1"),
        (json!({"evaluate": {"measures": ["all", "sufficiency"]}}), "/evaluate/measures/1"),
        (json!({"attention": {"layers": [-1, 1, -1]}}), "/attention/layers/2"),
    ] {
        let mut request = json!({"inputs": GREAT});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(
            rejected(&service, request.clone(), "invalid_field").await.0,
            pointer,
            "{request}"
        );
    }
    let different = json!(["saliency", {"name": "saliency", "norm": "l1"}]);
    service.explain(json!({"inputs": GREAT, "methods": different})).await;
}

#[tokio::test]
async fn lists_are_limited() {
    let limits = Limits { methods: 2, spans: 3, ..untimed().limits };
    let service = start_with(&Config { limits, ..untimed() }).await;
    let methods = json!({"inputs": GREAT, "methods": ["lime", "saliency", "occlusion"]});
    let (pointer, detail) = rejected(&service, methods, "invalid_field").await;
    assert_eq!(pointer, "/methods");
    assert!(detail.contains('3') && detail.contains("at most 2"), "{detail}");
    let spans: Vec<[usize; 2]> = (0..4).map(|n| [n, n + 1]).collect();
    let spans = json!({"inputs": "abcd", "spans": spans});
    assert_eq!(rejected(&service, spans, "invalid_field").await.0, "/spans");
}

#[tokio::test]
async fn characters_beyond_the_token_limit_are_not_read() {
    let service = start().await;
    // The limit is 64 characters for each of 128 tokens.
    let spaces = " ".repeat(9_000);
    let text = format!("Good{spaces}film.");
    let (pointer, detail) = rejected(&service, json!({"inputs": text}), "input_too_long").await;
    assert_eq!(pointer, "/inputs");
    assert!(detail.contains("more than 8192 characters"), "{detail}");
    let truncated = service.explain(json!({"inputs": text, "truncate": true})).await;
    let result = &truncated["results"][0];
    assert_eq!(result["truncated"], true);
    assert_eq!(result["words"].as_array().unwrap().len(), 1, "{}", result["words"]);

    let long = "word ".repeat(20_000);
    let request = json!({"inputs": long, "truncate": true, "methods": ["saliency"]});
    let truncated = service.explain(request).await;
    assert_eq!(truncated["results"][0]["tokens"].as_array().unwrap().len(), 128);
    let request = json!({"inputs": "word ".repeat(400), "truncate": true, "methods": ["saliency"]});
    let same = service.explain(request).await;
    assert_eq!(truncated["results"][0]["explanations"], same["results"][0]["explanations"]);

    let window = json!({"inputs": "word ".repeat(40_000), "window": {"stride": 16}});
    rejected(&service, window, "input_too_long").await;
    let baseline = json!({"name": "integrated_gradients", "baseline": {"text": long}});
    let request = json!({"inputs": GREAT, "methods": [baseline]});
    let problem = service.post("/explain", request).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("characters"), "{problem}");
}

#[tokio::test]
async fn response_size_is_checked_before_the_computation() {
    let limits = Limits { response_bytes: 1_024, ..untimed().limits };
    let service = start_with(&Config { limits, ..untimed() }).await;
    let inputs: Vec<String> = (0..30).map(|n| format!("{n} {GREAT}")).collect();
    let request = json!({"inputs": inputs, "attention": false, "methods": ["saliency"]});
    let (pointer, detail) = rejected(&service, request, "response_too_large").await;
    assert_eq!(pointer, "/methods");
    assert!(detail.contains("1024 bytes"), "{detail}");
}

#[tokio::test]
async fn the_total_size_of_request_bodies_is_limited() {
    let limits = Limits { request_mebibytes_total: 1, ..untimed().limits };
    let service = start_with(&Config { limits, ..untimed() }).await;
    let held = crate::support::Held::after(0, "valley");
    let padding = " ".repeat(600_000);
    let body = |text: &str| format!("{}{padding}", json!({"inputs": text}));
    let first = service.post("/predict", body("a quiet valley"));
    let second = async {
        held.reached().await;
        let reply = service.post("/predict", body("good")).await;
        reply.problem(429, "overloaded");
        assert!(reply.headers.contains_key("retry-after"));
        assert_eq!(service.post("/predict", json!({"inputs": "good"})).await.status, 200);
        held.open();
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    assert_eq!(service.post("/predict", body("good")).await.status, 200);
}

#[tokio::test]
async fn small_chunks_of_a_body_are_counted_by_their_bytes() {
    let limits = Limits { request_mebibytes_total: 1, ..untimed().limits };
    let service = start_with(&Config { limits, ..untimed() }).await;
    // More chunks than the limit has kibibytes.
    let body = format!("{}{}", json!({"inputs": "good"}), " ".repeat(2_000));
    let pieces: Vec<_> = body.bytes().map(|byte| Ok::<_, Infallible>(vec![byte])).collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let request = Request::post("/predict").header(header::CONTENT_TYPE, "application/json");
    let reply = service.send(request.body(body).unwrap()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}
