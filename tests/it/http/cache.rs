//! The response cache.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::keys::digest;
use explaind::config::{Cache, Config, Limits};
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{GREAT, models};
use crate::support::service::{Reply, Running, start, start_with, untimed};
use crate::support::{Held, PausedClock, golden_folder};

async fn caching(mebibytes: u64) -> Running {
    start_with(&Config { cache: Cache { mebibytes }, ..untimed() }).await
}

fn outcome(reply: &Reply) -> &str {
    reply.headers["cache-status"].to_str().unwrap()
}

const HIT: &str = "explaind; hit";
const MISS: &str = "explaind; fwd=uri-miss";

#[tokio::test]
async fn an_equal_request_is_answered_from_the_cache() {
    let service = caching(8).await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"], "seed": 7});
    let first = service.post("/explain", &body).await;
    // The order of fields and white space do not matter.
    let again = format!("{{ \"seed\": 7, \"methods\": [\"saliency\"], \"inputs\": \"{GREAT}\" }}");
    let second = service.post("/explain", again).await;
    assert_eq!((outcome(&first), outcome(&second)), (MISS, HIT));
    assert_eq!(first.body, second.body);
    assert_eq!(second.headers[header::CONTENT_TYPE], "application/json");
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    assert!(first.headers.contains_key("server-timing"));
    assert!(!second.headers.contains_key("server-timing"), "nothing was computed");
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(text.contains("explaind_cache_requests_total{outcome=\"hit\"}"), "{text}");
}

#[tokio::test]
async fn another_activation_is_another_model() {
    let folder = golden_folder("bert-tiny");
    let models = models::config(&[("first", folder.to_str().unwrap())]);
    let service = start_with(&Config { cache: Cache { mebibytes: 8 }, ..models }).await;
    let body = json!({"inputs": "I saw it.", "model": "first", "methods": ["saliency"]});
    let first = service.post("/explain", &body).await;
    assert_eq!(outcome(&service.post("/explain", &body).await), HIT);
    let again = json!({"source": folder, "activation": "sigmoid"});
    assert_eq!(service.put("/models/first", again).await.status, 202);
    assert_eq!(models::settled(&service, "first").await["state"], "ready");
    let second = service.post("/explain", &body).await;
    assert_eq!(outcome(&second), MISS);
    let activation = |reply: &Reply| reply.json()["model"]["activation"].clone();
    assert_eq!((activation(&first), activation(&second)), (json!("softmax"), json!("sigmoid")));
}

#[tokio::test]
async fn different_requests_are_not_shared() {
    let service = caching(8).await;
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
    assert!(page.headers.contains_key("content-security-policy"), "headers are cached too");
    let prediction = service.post("/predict", json!({"inputs": GREAT})).await;
    assert_eq!(outcome(&prediction), MISS);
}

#[tokio::test]
async fn keys_do_not_share_cached_responses() {
    let mut config = Config { cache: Cache { mebibytes: 8 }, ..untimed() };
    let names = ["app", "batch"];
    let secret = |name: &str| format!("the-key-of-{name}-for-tests");
    let key = |name: &&str| format!("{name}:{}", digest(&secret(name))).try_into().unwrap();
    config.server.keys = names.iter().map(key).collect();
    let service = start_with(&config).await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"]});
    for expected in [MISS, HIT] {
        for name in names {
            let bearer = format!("Bearer {}", secret(name));
            let headers = [("authorization", bearer.as_str())];
            let reply = service.request("POST", "/explain", &headers, &body).await;
            assert_eq!(outcome(&reply), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn equal_requests_in_flight_are_computed_once() {
    let service = caching(8).await;
    let body = json!({"inputs": GREAT, "methods": [
        {"name": "integrated_gradients", "n_steps": 400}]});
    let replies = join_all((0..6).map(|_| service.post("/explain", &body))).await;
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
    let misses = replies.iter().filter(|reply| outcome(reply) == MISS).count();
    assert_eq!(misses, 1, "one of them is computed");
}

/// Lets the tasks of a request run until they wait.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

fn predict(text: &str) -> Value {
    json!({"inputs": text, "budget_ms": 1_000})
}

#[tokio::test]
async fn a_waiting_request_takes_over_from_one_that_runs_out_of_time() {
    let (service, clock) = (caching(8).await, PausedClock::new());
    let body = predict("A lion in a film.");
    let held = Held::after(0, "lion");
    let later = Notify::new();
    let first = service.post("/predict", &body);
    let second = async {
        later.notified().await;
        service.post("/predict", &body).await
    };
    let time = async {
        held.reached().await;
        clock.advance(Duration::from_millis(700)).await;
        later.notify_one();
        settle().await;
        clock.advance(Duration::from_millis(400)).await;
        settle().await;
        held.open();
    };
    let (first, second, ()) = tokio::join!(first, second, time);
    first.problem(504, "deadline_exceeded");
    assert_eq!((second.status.as_u16(), outcome(&second)), (200, MISS));
}

#[tokio::test]
async fn a_waiting_request_waits_no_longer_than_its_own_time() {
    let (service, clock) = (caching(8).await, PausedClock::new());
    let body = predict("A whale in a film.");
    let held = Held::after(0, "whale");
    let (sent, later) = (Notify::new(), Arc::new(Notify::new()));
    // Its time starts before its body arrives.
    let (arrived, text) = (Arc::clone(&later), body.to_string());
    let slow = stream::once(async move {
        arrived.notified().await;
        Ok::<_, Infallible>(text)
    });
    let waiting = Request::post("/predict").header(header::CONTENT_TYPE, "application/json");
    let waiting = service.send(waiting.body(Body::from_stream(slow)).unwrap());
    let computing = async {
        sent.notified().await;
        service.post("/predict", &body).await
    };
    let time = async {
        settle().await;
        clock.advance(Duration::from_millis(700)).await;
        sent.notify_one();
        held.reached().await;
        later.notify_one();
        settle().await;
        clock.advance(Duration::from_millis(400)).await;
        settle().await;
        held.open();
    };
    let (waiting, computing, ()) = tokio::join!(waiting, computing, time);
    waiting.problem(504, "deadline_exceeded");
    assert_eq!((computing.status.as_u16(), outcome(&computing)), (200, MISS));
}

#[tokio::test]
async fn errors_and_partial_results_are_not_cached() {
    let mut config = Config { cache: Cache { mebibytes: 8 }, ..untimed() };
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
    let clock = PausedClock::new();
    let stopped = json!({"inputs": "A tiger in a film, of all things!", "budget_ms": 1_000,
                         "methods": [{"name": "kernel_shap", "max_evals": 200, "tolerance": 0}]});
    for _ in 0..2 {
        let held = Held::after(3, "tiger");
        let request = service.post("/explain", &stopped);
        let reply = held.advance_while_held(&clock, Duration::from_millis(900), request).await;
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (200, MISS));
        assert_eq!(reply.json()["results"][0]["explanations"][0]["finished"], false);
    }
}

#[tokio::test]
async fn old_responses_are_evicted() {
    let config = Config {
        cache: Cache { mebibytes: 1 },
        limits: Limits { inputs: 64, ..untimed().limits },
        ..untimed()
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
async fn without_a_cache_there_is_no_cache_status() {
    let reply = start().await.post("/explain", json!({"inputs": GREAT})).await;
    assert!(!reply.headers.contains_key("cache-status"));
    assert_eq!(reply.json()["results"][0]["id"], Value::Null);
}
