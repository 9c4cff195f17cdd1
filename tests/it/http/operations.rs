//! Models and methods, health, metrics, compression and openapi.yaml.

use axum::body::Body;
use axum::http::{Request, header};
use explaind::attribution::METHODS;
use serde_json::{Value, json};

use super::{GREAT, top_word};
use crate::support::service::{self, start, untimed};

#[tokio::test]
async fn models_and_methods_are_listed() {
    let service = start().await;
    let models = service.get("/models").await.json();
    let model = &models["models"][0];
    assert_eq!(model, &service.get("/models/sentiment-en").await.json());
    assert_eq!(model["labels"], json!(["NEGATIVE", "POSITIVE"]));
    assert_eq!(model["task"], "text-classification");
    assert_eq!(model["max_tokens"], 128);
    assert_eq!(model["state"], "ready");
    let methods = service.get("/methods").await.json();
    let names: Vec<&Value> =
        methods["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    let known: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
    assert_eq!(names, known);
    assert_eq!(model["methods"].as_array().unwrap().len(), names.len());
    assert_eq!(methods["methods"][0]["options"][2]["default"], "auto");
}

#[tokio::test]
async fn readiness_follows_loading_and_draining() {
    let service = service::unready(&untimed());
    assert_eq!(service.get("/livez").await.status, 200);
    service.get("/readyz").await.problem(503, "not_ready");
    service.post("/explain", json!({"inputs": GREAT})).await.problem(503, "not_ready");
    assert_eq!(service.get("/models").await.json(), json!({"models": []}));
    let service = start().await;
    assert_eq!(service.get("/readyz").await.status, 200);
    service.service.retire();
    service.get("/readyz").await.problem(503, "draining");
    let body = json!({"inputs": GREAT});
    let reply = service.post("/explain", body).await;
    assert_eq!(reply.status, 200, "requests are still accepted");
    assert_eq!(reply.headers[header::CONNECTION], "close", "but the connection is closed");
    service.service.drain();
    service.get("/readyz").await.problem(503, "draining");
    service.post("/explain", json!({"inputs": GREAT})).await.problem(503, "draining");
}

#[tokio::test]
async fn metrics_exist_before_the_first_request() {
    let service = start().await;
    let text = || async { String::from_utf8(service.get("/metrics").await.body).unwrap() };
    let zero = "explaind_requests_total{route=\"/openapi.json\",outcome=\"server_error\"} 0";
    assert!(text().await.contains(zero));
    for name in [
        "explaind_pass_failures_total",
        "explaind_queue_work",
        "explaind_queue_requests",
        "explaind_models",
        "explaind_models_drifted",
        "explaind_unsent_response_bytes",
        "explaind_model_bytes{model=\"sentiment-en\"}",
        "explaind_pass_seconds_count",
        "explaind_pass_rows_count",
        "explaind_pass_tokens_count",
        "explaind_pass_fill_count",
        "explaind_request_seconds_count{route=\"/explain\"}",
        "explaind_steps_count{method=\"integrated_gradients\"}",
        "explaind_not_converged_total{method=\"integrated_gradients\"}",
        "explaind_cache_requests_total{outcome=\"hit\"}",
        "explaind_cache_evictions_total",
        "explaind_worker_restarts_total",
        "explaind_requests_total{route=\"unmatched\",outcome=\"malformed\"}",
        "explaind_connections_open",
        concat!("explaind_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text().await.contains(name), "{name}");
    }
    let odd = "/nothing/secret-words";
    service.get(odd).await;
    assert!(!text().await.contains("secret"), "an unknown path must not become a label");
}

#[tokio::test]
async fn request_and_response_bodies_may_be_compressed() {
    use flate2::read::GzDecoder;
    use flate2::write::GzEncoder;
    use std::io::{Read, Write};
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let post = |body: Vec<u8>, encoding: &str| {
        Request::post("/explain")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, encoding)
            .header(header::ACCEPT_ENCODING, "gzip")
            .body(Body::from(body))
            .unwrap()
    };
    let service = start().await;
    let body = json!({"inputs": GREAT, "attention": true}).to_string();
    let reply = service.send(post(gzip(&body), "gzip")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers[header::CONTENT_ENCODING], "gzip");
    let mut answer = String::new();
    GzDecoder::new(&reply.body[..]).read_to_string(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(top_word(&answer), "great");
    // A decompression bomb: a few kilobytes that become 16 times the limit.
    let bomb = json!({"inputs": "a".repeat(16 << 20)}).to_string();
    assert_eq!(service.send(post(gzip(&bomb), "gzip")).await.status, 413);
    assert_eq!(service.send(post(body.clone().into(), "gzip")).await.status, 400);
    assert_eq!(service.send(post(body.into(), "lzma")).await.status, 415);
}

#[tokio::test]
async fn valid_request_ids_are_echoed() {
    let service = start().await;
    let get = |id: &str| Request::get("/livez").header("x-request-id", id).body(Body::empty());
    let reply = service.send(get("abc-123").unwrap()).await;
    assert_eq!(reply.headers["x-request-id"], "abc-123");
    let reply = service.send(get("a b<script>").unwrap()).await;
    assert_eq!(reply.headers["x-request-id"].len(), 32);
}

#[tokio::test]
async fn the_committed_openapi_yaml_is_up_to_date() {
    let generated = explaind::http::openapi::yaml().unwrap();
    let committed = include_str!("../../../openapi.yaml");
    assert!(generated == committed, "run: cargo run -- openapi > openapi.yaml");
    let served = start().await.get("/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    let paths: Vec<&String> = served["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/",
            "/concepts",
            "/concepts/{name}",
            "/corpora",
            "/corpora/{id}",
            "/counterfactuals",
            "/docs",
            "/estimate",
            "/estimate/counterfactuals",
            "/estimate/examples",
            "/estimate/probe",
            "/estimate/rules",
            "/examples",
            "/explain",
            "/explain/compare",
            "/explanations/{id}",
            "/livez",
            "/methods",
            "/metrics",
            "/models",
            "/models/{id}",
            "/openapi.json",
            "/ping",
            "/predict",
            "/predictions/{id}",
            "/probe",
            "/problems",
            "/problems/{code}",
            "/readyz",
            "/rules",
            "/v1/models",
            "/v1/models/{id}",
            "/v1/models/{id}:explain",
            "/v1/models/{id}:predict",
            "/v2",
            "/v2/health/live",
            "/v2/health/ready",
            "/v2/models/{id}",
            "/v2/models/{id}/infer",
            "/v2/models/{id}/ready",
            "/v2/models/{id}/versions/{version}",
            "/v2/models/{id}/versions/{version}/infer",
            "/v2/models/{id}/versions/{version}/ready",
            "/web/{folder}/{file}",
        ]
    );
}
