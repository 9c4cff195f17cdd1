//! Limits on request heads, responses, keys and model sources, and request timeouts.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::keys::digest;
use explaind::config::{Config, Limits, Server, Sources};
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::json;

use super::GREAT;
use crate::support::service::{Running, start, start_with, untimed};
use crate::support::{Held, PausedClock, golden_folder, wait_until_async};

async fn limited(limits: Limits) -> Running {
    start_with(&Config { limits, ..untimed() }).await
}

#[tokio::test]
async fn request_heads_are_limited() {
    let service = start().await;
    let mut many = Request::get("/livez");
    for number in 0..101 {
        many = many.header(format!("x-{number}"), "a");
    }
    let reply = service.send(many.body(Body::empty()).unwrap()).await;
    reply.problem(431, "headers_too_large");
    let long = Request::get("/livez").header("x-long", "a".repeat(17_000));
    let problem = service.send(long.body(Body::empty()).unwrap()).await;
    let problem = problem.problem(431, "headers_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("16384"), "{problem}");
    let path = format!("/models/{}", "a".repeat(9_000));
    service.get(&path).await.problem(414, "uri_too_long");
}

#[tokio::test]
async fn responses_are_limited() {
    let service = limited(Limits { response_bytes: 4_000, ..untimed().limits }).await;
    let small = json!({"inputs": "good", "methods": [], "attention": false});
    service.explain(small.clone()).await;
    let large = json!({"inputs": GREAT, "attention": true});
    let problem = service.post("/explain", &large).await.problem(422, "response_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("select layers"), "{problem}");
    // In a stream, each line is limited separately.
    let lines = async |body| {
        let accept = [("accept", "application/x-ndjson")];
        let reply = service.request("POST", "/explain", &accept, body).await;
        String::from_utf8(reply.body).unwrap()
    };
    let rejected = lines(large).await;
    assert!(rejected.contains("\"response_too_large\""), "{rejected}");
    assert!(rejected.lines().all(|line| line.len() < 4_000));
    assert!(!lines(small).await.contains("error"));
}

#[tokio::test]
async fn x_request_timeout_limits_the_time_of_a_request() {
    let service = start().await;
    let ask = async |timeout: &str, budget: Option<u64>| {
        let mut body = json!({"inputs": "the castle", "methods": ["saliency"]});
        if let Some(budget) = budget {
            body["budget_ms"] = json!(budget);
        }
        service.request("POST", "/explain", &[("x-request-timeout", timeout)], body).await
    };
    // The clock is paused, so that the time spent is exact.
    let clock = PausedClock::new();
    for (header, budget) in [("200", None), ("200", Some(3_600_000)), ("3600000", Some(200))] {
        let held = Held::after(0, "castle");
        let request = ask(header, budget);
        let reply = held.advance_while_held(&clock, Duration::from_millis(200), request).await;
        let problem = reply.problem(504, "deadline_exceeded");
        assert_eq!(problem["detail"], "not finished within 200 ms");
    }
    // A valid header does not hide an invalid field.
    let problem = ask("5000", Some(3_600_001)).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/budget_ms");
    assert_eq!(ask("60000", None).await.status, 200, "there is enough time");
    for invalid in ["", "0", "-1", "1.5", "2s", "99999999999999999999", "é"] {
        let problem = ask(invalid, None).await.problem(400, "bad_request");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("milliseconds"), "{invalid}: {problem}");
    }
}

#[tokio::test]
async fn the_timeout_includes_the_time_to_receive_the_body() {
    let service = start().await;
    let _clock = PausedClock::new();
    for (delay, status) in [(Duration::ZERO, 200), (Duration::from_millis(30_001), 504)] {
        let body = stream::once(async move {
            tokio::time::advance(delay).await;
            Ok::<_, Infallible>(json!({"inputs": "a pebble"}).to_string())
        });
        let request = Request::post("/predict").header("content-type", "application/json");
        let request = request.header("x-request-timeout", "30000").body(Body::from_stream(body));
        assert_eq!(service.send(request.unwrap()).await.status, status, "{delay:?}");
    }
}

#[tokio::test]
async fn requests_per_key_are_limited() {
    let key = |name: &str, secret: &str| format!("{name}:{}", digest(secret)).try_into().unwrap();
    let keys = vec![key("app", "the-key-of-the-app"), key("batch", "the-key-of-the-batch")];
    let server = Server { keys, ..Server::default() };
    let limits = Limits { key_requests: 1, key_requests_per_minute: 8, ..untimed().limits };
    let service = start_with(&Config { server, limits, ..untimed() }).await;
    let clock = PausedClock::new();
    let ask = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let body = json!({"inputs": GREAT, "methods": ["occlusion"]});
        service.request("POST", "/explain", &[("authorization", &bearer)], body).await
    };
    let replies = join_all((0..4).map(|_| ask("the-key-of-the-app"))).await;
    let good = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(good, 1, "one at a time");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.problem(429, "rate_limited");
        assert_eq!(reply.headers[header::RETRY_AFTER], "1");
    }
    for _ in 0..4 {
        assert_eq!(ask("the-key-of-the-app").await.status, 200);
    }
    let reply = ask("the-key-of-the-app").await;
    reply.problem(429, "rate_limited");
    let wait: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert_eq!(wait, 8, "60 s for 8 requests");
    assert_eq!(ask("the-key-of-the-batch").await.status, 200, "limits are per key");
    clock.advance(Duration::from_secs(8)).await;
    assert_eq!(ask("the-key-of-the-app").await.status, 200, "the limit is replenished");
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn model_sources_are_restricted() {
    let roots = vec![golden_folder("bert-tiny")];
    let sources = Sources { roots, hub: vec!["us/*".to_owned()] };
    let service = start_with(&Config { sources, ..untimed() }).await;
    for outside in [
        golden_folder("bert-qa").to_str().unwrap(),
        "/nowhere",
        "/",
        "hf:them/model",
        &format!("{}/../bert-qa", golden_folder("bert-tiny").display()),
    ] {
        let problem = service.put("/models/other", json!({"source": outside})).await;
        let problem = problem.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], "/source");
        assert!(problem["detail"].as_str().unwrap().contains("sources."), "{problem}");
    }
    let inside = json!({"source": golden_folder("bert-tiny")});
    assert_eq!(service.put("/models/other", inside).await.status, 202);
}

/// The adapter is in an allowed folder, its base model is not.
#[tokio::test]
async fn base_models_of_adapters_are_restricted() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("adapter");
    std::fs::create_dir(&folder).unwrap();
    let outside =
        json!({"peft_type": "LORA", "base_model_name_or_path": golden_folder("bert-tiny")});
    std::fs::write(folder.join("adapter_config.json"), outside.to_string()).unwrap();
    let sources = Sources { roots: vec![root.path().to_owned()], hub: Vec::new() };
    let service = start_with(&Config { sources, ..untimed() }).await;
    assert_eq!(service.put("/models/other", json!({"source": folder})).await.status, 202);
    let state = async || service.get_as_admin("/models/other").await.json();
    wait_until_async(async || state().await["state"] == "failed").await;
    let problem = state().await["problem"].clone();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("adapter") && detail.contains("neither an allowed folder"), "{detail}");
}
