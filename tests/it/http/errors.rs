//! Error responses.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use explaind::engine::Demand;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{start, start_with, untimed};

#[tokio::test]
async fn errors_of_inputs_in_a_list_do_not_affect_the_others() {
    let long = "word ".repeat(400);
    let answer = start()
        .await
        .explain(json!({
            "inputs": [GREAT, {"text": "", "id": "empty"}, {"text": long, "id": "long"},
                       {"text": "Bad.", "text_pair": "Very bad.", "id": "pair"}],
            "methods": ["saliency"],
        }))
        .await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["id"], Value::Null);
    assert_eq!(results[1]["id"], "empty");
    assert_eq!(results[1]["error"]["code"], "input_empty");
    assert_eq!(results[1]["error"]["pointer"], "/inputs/1/text");
    assert_eq!(results[2]["error"]["code"], "input_too_long");
    let detail = results[2]["error"]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("inputs[2].text has 402 tokens; sentiment-en takes 128"),
        "{detail}"
    );
    assert_eq!(results[3]["id"], "pair");
    let segments: Vec<&Value> =
        results[3]["words"].as_array().unwrap().iter().map(|word| &word["segment"]).collect();
    assert_eq!(segments, [0, 0, 1, 1, 1]);
}

#[tokio::test]
async fn the_request_fails_if_all_inputs_fail() {
    let service = start().await;
    let single = service.post("/explain", json!({"inputs": "  "})).await;
    assert_eq!(single.problem(422, "input_empty")["pointer"], "/inputs");
    let list = service.post("/explain", json!({"inputs": ["", {"text": "\n"}]})).await;
    let problem = list.problem(422, "input_empty");
    assert_eq!(problem["pointer"], "/inputs/0");
    assert_eq!(problem["errors"][0]["pointer"], "/inputs/1/text");
}

#[tokio::test]
async fn invalid_fields_are_reported_with_a_pointer() {
    let service = start().await;
    let cases = [
        (json!({}), "invalid_field", None),
        (json!([GREAT]), "invalid_field", None),
        (json!({"inputs": GREAT, "target": ["POSITIVE"]}), "invalid_field", Some("/target")),
        (json!({"inputs": GREAT, "modle": "x"}), "invalid_field", Some("/modle")),
        (json!({"inputs": 3}), "invalid_field", Some("/inputs")),
        (json!({"inputs": []}), "input_empty", Some("/inputs")),
        (json!({"inputs": [GREAT, 3]}), "invalid_field", Some("/inputs/1")),
        (json!({"inputs": {"text": 1}}), "invalid_field", Some("/inputs/text")),
        (json!({"inputs": {"text": "a", "txet": "b"}}), "invalid_field", Some("/inputs/txet")),
        (json!({"inputs": vec!["a"; 65]}), "invalid_field", Some("/inputs")),
        (json!({"inputs": GREAT, "target": {}}), "invalid_field", Some("/target")),
        (
            json!({"inputs": GREAT, "target": {"label": "GOOD"}}),
            "target_not_found",
            Some("/target"),
        ),
        (json!({"inputs": GREAT, "target": {"index": 2}}), "target_not_found", Some("/target")),
        (json!({"inputs": GREAT, "target": {"index": -1}}), "invalid_field", Some("/target/index")),
        (
            json!({"inputs": GREAT, "target": {"contrast": [0, "x"]}}),
            "target_not_found",
            Some("/target/contrast/1"),
        ),
        (
            json!({"inputs": GREAT, "target": {"contrast": [0, 1, 1]}}),
            "invalid_field",
            Some("/target/contrast"),
        ),
        (json!({"inputs": GREAT, "output": "odds"}), "invalid_field", Some("/output")),
        (
            json!({"inputs": GREAT, "methods": ["magic"]}),
            "method_not_supported",
            Some("/methods/0"),
        ),
        (
            json!({"inputs": GREAT, "methods": ["saliency", {"name": "magic"}]}),
            "method_not_supported",
            Some("/methods/1/name"),
        ),
        (
            json!({"inputs": GREAT, "methods": [{"name": "saliency", "n_steps": 3}]}),
            "invalid_field",
            Some("/methods/0/n_steps"),
        ),
        (
            json!({"inputs": GREAT, "methods": [{"name": "integrated_gradients", "n_steps": 0}]}),
            "invalid_field",
            Some("/methods/0/n_steps"),
        ),
        (
            json!({"inputs": "a", "methods": [{"name": "integrated_gradients",
                   "baseline": {"text": "much longer than it"}}]}),
            "invalid_field",
            Some("/methods/0/baseline/text"),
        ),
        (json!({"inputs": GREAT, "attention": "yes"}), "invalid_field", Some("/attention")),
        (
            json!({"inputs": GREAT, "attention": {"head": 1}}),
            "invalid_field",
            Some("/attention/head"),
        ),
        (json!({"inputs": GREAT, "truncate": "no"}), "invalid_field", Some("/truncate")),
        (json!({"inputs": GREAT, "seed": -1}), "invalid_field", Some("/seed")),
        (json!({"inputs": GREAT, "budget_ms": 0}), "invalid_field", Some("/budget_ms")),
    ];
    for (body, code, pointer) in cases {
        let problem = service.post("/explain", &body).await.problem(422, code);
        assert_eq!(problem["pointer"].as_str(), pointer.or(Some("")), "{body}: {problem}");
    }
    let unknown = json!({"inputs": GREAT, "model": "gpt"});
    let problem = service.post("/explain", unknown).await.problem(404, "model_not_found");
    assert_eq!(problem["pointer"], "/model");
    // The service still works.
    service.explain(json!({"inputs": GREAT})).await;
}

#[tokio::test]
async fn protocol_errors() {
    let service = start().await;
    for text in [
        "",
        "{",
        "{\"inputs\": \"a\"} x",
        "{\"inputs\": [\"a\",",
        "\u{0}",
        "{\"inputs\": \"\\ud800\"}",
    ] {
        service.post("/explain", text).await.problem(400, "invalid_json");
    }
    service.get("/nothing").await.problem(404, "not_found");
    let reply = service.get("/explain").await;
    reply.problem(405, "method_not_allowed");
    assert_eq!(reply.headers[header::ALLOW], "POST, OPTIONS");
    service.get("/models/%ff").await.problem(400, "bad_request");
    service.get("/models/none").await.problem(404, "model_not_found");
    let plain = Request::post("/explain").body(Body::from("{\"inputs\": \"a\"}")).unwrap();
    service.send(plain).await.problem(415, "unsupported_media_type");
    let png = Request::post("/explain")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "image/png")
        .body(Body::from("{\"inputs\": \"a\"}"))
        .unwrap();
    service.send(png).await.problem(406, "not_acceptable");
    let large = json!({"inputs": "a".repeat(2 << 20)});
    service.post("/explain", large).await.problem(413, "payload_too_large");
}

#[tokio::test]
async fn limits_of_cost_size_and_time() {
    let mut config = untimed();
    config.engine.queued_work = 2_000;
    config.limits.attention_values = 500;
    let service = start_with(&config).await;
    let steps = |n: usize| json!({"inputs": GREAT, "methods": [{"name": "integrated_gradients", "n_steps": n}]});
    service.post("/explain", steps(1_000)).await.problem(422, "request_too_expensive");
    let everything = json!({"inputs": GREAT, "attention": true});
    service.post("/explain", everything).await.problem(422, "response_too_large");
    let demand = Demand { cost: 1_900, work: 1, time: Duration::ZERO, caller: "*".into() };
    let held = service.service.explainer.engine.admission.admit(demand).unwrap();
    let reply = service.post("/explain", steps(50)).await;
    reply.problem(429, "overloaded");
    let wait: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!(wait >= 1);
    // A request over the total limit is never admitted: fixed steps cannot stop early.
    service.post("/explain", steps(1_000)).await.problem(422, "request_too_expensive");
    drop(held);
    service.explain(steps(50)).await;
}
