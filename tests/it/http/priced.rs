//! What is priced and bounded before anything is done.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::{Config, Limits};
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Running, patient, start, start_with};

/// A refusal's pointer and detail.
async fn refused(service: &Running, request: Value, code: &str) -> (String, String) {
    let problem = service.post("/explain", request.clone()).await.problem(422, code);
    let estimated = service.post("/estimate", request).await.problem(422, code);
    assert_eq!(estimated["detail"], problem["detail"], "/estimate passes the same gate");
    let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
    (text("pointer"), text("detail"))
}

#[tokio::test]
async fn nothing_is_named_twice() {
    let service = start().await;
    let same = json!({"name": "saliency", "norm": "l2"});
    for (fields, pointer) in [
        (json!({"methods": ["saliency", "lime", "saliency"]}), "/methods/2"),
        // Its default.
        (json!({"methods": ["saliency", same]}), "/methods/1"),
        (json!({"granularity": ["token", "word", "token"]}), "/granularity/2"),
        (json!({"evaluate": ["sufficiency", "sufficiency"]}), "/evaluate/1"),
        (json!({"evaluate": {"measures": ["all", "sufficiency"]}}), "/evaluate/measures/1"),
        (json!({"attention": {"layers": [-1, 1, -1]}}), "/attention/layers/2"),
    ] {
        let mut request = json!({"inputs": GREAT});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(
            refused(&service, request.clone(), "invalid_field").await.0,
            pointer,
            "{request}"
        );
    }
    let different = json!(["saliency", {"name": "saliency", "norm": "l1"}]);
    service.explain(json!({"inputs": GREAT, "methods": different})).await;
}

#[tokio::test]
async fn lists_have_their_limits() {
    let limits = Limits { methods: 2, spans: 3, ..patient().limits };
    let service = start_with(&Config { limits, ..patient() }).await;
    let methods = json!({"inputs": GREAT, "methods": ["lime", "saliency", "occlusion"]});
    let (pointer, detail) = refused(&service, methods, "invalid_field").await;
    assert_eq!(pointer, "/methods");
    assert!(detail.contains('3') && detail.contains("at most 2"), "{detail}");
    let spans: Vec<[usize; 2]> = (0..4).map(|n| [n, n + 1]).collect();
    let spans = json!({"inputs": "abcd", "spans": spans});
    assert_eq!(refused(&service, spans, "invalid_field").await.0, "/spans");
}

#[tokio::test]
async fn a_text_is_read_only_as_far_as_it_can_be_used() {
    let service = start().await;
    // Of 128 tokens' worth, 64 characters each.
    let spaces = " ".repeat(9_000);
    let text = format!("Good{spaces}film.");
    let (pointer, detail) = refused(&service, json!({"inputs": text}), "input_too_long").await;
    assert_eq!(pointer, "/inputs");
    assert!(detail.contains("more than 8192 characters"), "{detail}");
    let cut = service.explain(json!({"inputs": text, "truncate": true})).await;
    let result = &cut["results"][0];
    assert_eq!(result["truncated"], true);
    assert_eq!(result["words"].as_array().unwrap().len(), 1, "{}", result["words"]);

    let long = "word ".repeat(20_000);
    let request = json!({"inputs": long, "truncate": true, "methods": ["saliency"]});
    let cut = service.explain(request).await;
    assert_eq!(cut["results"][0]["tokens"].as_array().unwrap().len(), 128);
    let request = json!({"inputs": "word ".repeat(400), "truncate": true, "methods": ["saliency"]});
    let same = service.explain(request).await;
    assert_eq!(cut["results"][0]["explanations"], same["results"][0]["explanations"]);

    let window = json!({"inputs": "word ".repeat(40_000), "window": {"stride": 16}});
    refused(&service, window, "input_too_long").await;
    let baseline = json!({"name": "integrated_gradients", "baseline": {"text": long}});
    let request = json!({"inputs": GREAT, "methods": [baseline]});
    let problem = service.post("/explain", request).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("characters"), "{problem}");
}

#[tokio::test]
async fn scores_are_counted_before_they_are_computed() {
    let limits = Limits { response_bytes: 1_024, ..patient().limits };
    let service = start_with(&Config { limits, ..patient() }).await;
    let inputs: Vec<String> = (0..30).map(|n| format!("{n} {GREAT}")).collect();
    let request = json!({"inputs": inputs, "attention": false, "methods": ["saliency"]});
    let (pointer, detail) = refused(&service, request, "response_too_large").await;
    assert_eq!(pointer, "/methods");
    assert!(detail.contains("1024 bytes"), "{detail}");
}

#[tokio::test]
async fn bodies_share_their_room() {
    let limits = Limits { request_mebibytes_total: 1, ..patient().limits };
    let service = start_with(&Config { limits, ..patient() }).await;
    let held = crate::support::Held::after(0, "valley");
    let padding = " ".repeat(600_000);
    let body = |text: &str| format!("{}{padding}", json!({"inputs": text}));
    let first = service.post("/predict", body("a quiet valley"));
    let second = async {
        held.reached().await;
        let refused = service.post("/predict", body("good")).await;
        refused.problem(429, "overloaded");
        assert!(refused.headers.contains_key("retry-after"));
        assert_eq!(service.post("/predict", json!({"inputs": "good"})).await.status, 200);
        held.open();
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    assert_eq!(service.post("/predict", body("good")).await.status, 200);
}

#[tokio::test]
async fn a_body_in_many_small_pieces_takes_no_more_room() {
    let limits = Limits { request_mebibytes_total: 1, ..patient().limits };
    let service = start_with(&Config { limits, ..patient() }).await;
    // More pieces than there are kibibytes of room.
    let body = format!("{}{}", json!({"inputs": "good"}), " ".repeat(2_000));
    let pieces: Vec<_> = body.bytes().map(|byte| Ok::<_, Infallible>(vec![byte])).collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let request = Request::post("/predict").header(header::CONTENT_TYPE, "application/json");
    let reply = service.send(request.body(body).unwrap()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}
