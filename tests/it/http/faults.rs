//! Passes that panic, fail, return NaN or hang, and their effect on other requests.

use std::time::Duration;

use explaind::config::Config;
use explaind::model::faults::{Fault, heal, inject};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::service::{start, start_single_threaded, start_with, untimed};
use crate::support::{Held, PausedClock, wait_until};

/// Asserts that a fault of one request does not change the responses of concurrent ones.
async fn other_requests_are_unaffected(word: &str, fault: Fault) {
    let service = start().await;
    let ask = |text: String| json!({"inputs": text, "methods": ["saliency", "occlusion"]});
    let texts: Vec<String> = (1..8).map(|i| "so very good ".repeat(i)).collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(service.explain(ask(text.clone())).await["results"].clone());
    }
    inject(word, fault.clone());
    for _ in 0..3 {
        let faulty = ask(format!("a {word} for all"));
        let faulty = async { service.post("/explain", faulty).await };
        let others = join_all(texts.iter().map(|text| service.explain(ask(text.clone()))));
        let (faulty, others) = tokio::join!(faulty, others);
        let problem = faulty.problem(500, "internal");
        assert!(!problem["detail"].as_str().unwrap().contains(word), "{problem}");
        let others: Vec<Value> =
            others.into_iter().map(|answer| answer["results"].clone()).collect();
        assert!(others == alone, "{fault:?} changes another response");
    }
    heal(word);
    service.explain(ask(format!("a {word} for all"))).await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_panic_fails_only_its_request() {
    other_requests_are_unaffected("disaster", Fault::Panic).await;
}

#[tokio::test]
async fn an_error_fails_only_its_request() {
    other_requests_are_unaffected("storm", Fault::Error).await;
}

#[tokio::test]
async fn nan_fails_only_its_request() {
    other_requests_are_unaffected("horse", Fault::NotANumber).await;
}

#[tokio::test]
async fn a_fault_fails_only_its_input_in_a_list() {
    let service = start().await;
    inject("avalanche", Fault::Panic);
    let inputs = json!(["good", {"text": "an avalanche", "id": "b"}, "bad"]);
    let answer = service.explain(json!({"inputs": inputs, "methods": ["occlusion"]})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[1]["id"], "b");
    assert_eq!(results[1]["error"]["code"], "internal");
    assert_eq!(results[1]["error"]["status"], 500);
    assert!(results[0]["error"].is_null() && results[2]["error"].is_null(), "{answer}");
    heal("avalanche");
}

/// The fault is on a token that every text has. Uses a model of its own so that other tests are not
/// affected.
#[tokio::test]
async fn the_service_is_not_ready_while_every_pass_fails() {
    let folder = crate::support::golden_folder("camembert-sequence");
    let models = vec![explaind::config::ModelEntry::new("all", folder.to_str().unwrap())];
    let service = start_with(&Config { models, ..untimed() }).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    let first = service.service.explainer.pool.get(None).unwrap().text.piece(5);
    inject(&first, Fault::Error);
    for _ in 0..12 {
        let body = json!({"inputs": "bon film", "methods": ["saliency"]});
        service.post("/explain", body).await.problem(500, "internal");
    }
    let problem = service.get("/readyz").await.problem(503, "not_ready");
    assert_eq!(problem["detail"], "passes fail; the log says why");
    heal(&first);
    assert_eq!(service.get("/readyz").await.status, 200);
}

/// With one worker: after the held pass, no other pass of its request runs.
#[tokio::test]
async fn work_that_is_late_or_left_stops_within_a_pass() {
    let service = start_single_threaded().await;
    let clock = PausedClock::new();
    // 2,000 rows of five tokens need many passes.
    let methods = json!([{"name": "integrated_gradients", "n_steps": 2_000}]);
    let body = json!({"inputs": "the snow", "attention": false, "budget_ms": 1_000,
                      "methods": methods});
    let idle = async |held: Held| {
        // Its work is removed while its pass is still held.
        wait_until(|| service.service.explainer.engine.admission.in_flight() == 0).await;
        held.open();
        // Any remaining pass would run before the passes of these requests.
        for _ in 0..3 {
            service.explain(json!({"inputs": "rain", "methods": ["saliency"]})).await;
        }
        assert_eq!(held.passes(), 4);
    };
    let held = Held::after(3, "snow");
    let request = service.post("/explain", &body);
    let reply = held.advance_while_held(&clock, Duration::from_secs(1), request).await;
    reply.problem(504, "deadline_exceeded");
    idle(held).await;
    // A disconnect drops the future of the response.
    let held = Held::after(3, "snow");
    tokio::select! {
        _ = service.post("/explain", &body) => panic!("it must not finish: a pass is held"),
        () = held.reached() => {}
    }
    idle(held).await;
}
