//! Answers that are kept.

use std::time::Duration;

use axum::http::header;
use explaind::config::keys::digest;
use explaind::config::{Cache, Config, Limits};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Reply, Running, patient, start, start_with};
use crate::support::{Held, StoppedClock};

async fn keeping(mebibytes: u64) -> Running {
    start_with(&Config { cache: Cache { mebibytes }, ..patient() }).await
}

fn outcome(reply: &Reply) -> &str {
    reply.headers["cache-status"].to_str().unwrap()
}

const HIT: &str = "explaind; hit";
const MISS: &str = "explaind; fwd=uri-miss";

#[tokio::test]
async fn the_same_request_has_the_same_answer_without_work() {
    let service = keeping(8).await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"], "seed": 7});
    let first = service.post("/explain", &body).await;
    // Another order of fields, and white space, are the same request.
    let again = format!("{{ \"seed\": 7, \"methods\": [\"saliency\"], \"inputs\": \"{GREAT}\" }}");
    let second = service.post("/explain", again).await;
    assert_eq!((outcome(&first), outcome(&second)), (MISS, HIT));
    assert_eq!(first.body, second.body);
    assert_eq!(second.headers[header::CONTENT_TYPE], "application/json");
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    assert!(first.headers.contains_key("server-timing"));
    assert!(!second.headers.contains_key("server-timing"), "no time was spent");
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(text.contains("explaind_cache_requests_total{outcome=\"hit\"}"), "{text}");
}

#[tokio::test]
async fn what_differs_is_asked_anew() {
    let service = keeping(8).await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"]});
    service.post("/explain", &body).await;
    for (field, value) in [
        ("inputs", json!("This movie is really bad.")),
        ("inputs", json!({"text": GREAT, "id": "x"})),
        ("seed", json!(1)),
        ("model", json!("sentiment-zh")),
        ("methods", json!(["occlusion"])),
        ("attention", json!(false)),
        ("target", json!("all")),
        ("budget_ms", json!(30_000)),
    ] {
        let mut other = body.clone();
        other[field] = value;
        assert_eq!(outcome(&service.post("/explain", &other).await), MISS, "{field}");
    }
    let accept = [("accept", "text/html")];
    let page = service.request("POST", "/explain", &accept, &body).await;
    assert_eq!(outcome(&page), MISS);
    assert!(page.headers.contains_key("content-security-policy"));
    let page = service.request("POST", "/explain", &accept, &body).await;
    assert_eq!(outcome(&page), HIT);
    assert!(page.headers.contains_key("content-security-policy"), "guards are kept too");
    let prediction = service.post("/predict", json!({"inputs": GREAT})).await;
    assert_eq!(outcome(&prediction), MISS);
}

#[tokio::test]
async fn what_one_key_asked_is_not_told_to_another() {
    let mut config = Config { cache: Cache { mebibytes: 8 }, ..patient() };
    let names = ["app", "batch"];
    let secret = |name: &str| format!("the-key-of-{name}-for-tests");
    let key = |name: &&str| format!("{name}:{}", digest(&secret(name))).try_into().unwrap();
    config.server.keys = names.iter().map(key).collect();
    let service = start_with(&config).await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"]});
    for wanted in [MISS, HIT] {
        for name in names {
            let bearer = format!("Bearer {}", secret(name));
            let headers = [("authorization", bearer.as_str())];
            let reply = service.request("POST", "/explain", &headers, &body).await;
            assert_eq!(outcome(&reply), wanted, "{name}");
        }
    }
}

#[tokio::test]
async fn equal_requests_in_flight_are_one() {
    let service = keeping(8).await;
    let body = json!({"inputs": GREAT, "methods": [
        {"name": "integrated_gradients", "n_steps": 400}]});
    let replies = join_all((0..6).map(|_| service.post("/explain", &body))).await;
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
    let misses = replies.iter().filter(|reply| outcome(reply) == MISS).count();
    assert_eq!(misses, 1, "one of them computes");
}

#[tokio::test]
async fn failures_and_parts_are_not_kept() {
    let mut config = Config { cache: Cache { mebibytes: 8 }, ..patient() };
    config.engine.threads = 1;
    let service = start_with(&config).await;
    let bad = json!({"inputs": ""});
    for _ in 0..2 {
        service.post("/explain", &bad).await.problem(422, "input_empty");
    }
    let mixed = json!({"inputs": ["good", ""], "methods": ["saliency"]});
    for _ in 0..2 {
        let reply = service.post("/explain", &mixed).await;
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (200, MISS));
        assert!(reply.json()["results"][1]["error"].is_object());
    }
    let clock = StoppedClock::new();
    let stopped = json!({"inputs": "A tiger in a film, of all things!", "budget_ms": 1_000,
                         "methods": [{"name": "kernel_shap", "max_evals": 200}]});
    for _ in 0..2 {
        let held = Held::after(3, "tiger");
        let request = service.post("/explain", &stopped);
        let reply = held.while_time_goes_by(&clock, Duration::from_millis(900), request).await;
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (200, MISS));
        assert_eq!(reply.json()["results"][0]["explanations"][0]["finished"], false);
    }
}

#[tokio::test]
async fn what_does_not_fit_makes_room() {
    let config = Config {
        cache: Cache { mebibytes: 1 },
        limits: Limits { inputs: 64, ..patient().limits },
        ..patient()
    };
    let service = start_with(&config).await;
    for seed in 0..12 {
        let body =
            json!({"inputs": vec![GREAT; 32], "attention": true, "methods": [], "seed": seed});
        assert_eq!(service.post("/explain", body).await.status, 200);
    }
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    let gauge = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let bytes = gauge("explaind_cache_bytes ");
    assert!(bytes > 0. && bytes <= 1_048_576., "{bytes}");
    assert!(gauge("explaind_cache_evictions_total ") > 0.);
}

#[tokio::test]
async fn without_one_nothing_is_said_of_it() {
    let reply = start().await.post("/explain", json!({"inputs": GREAT})).await;
    assert!(!reply.headers.contains_key("cache-status"));
    assert_eq!(reply.json()["results"][0]["id"], Value::Null);
}
