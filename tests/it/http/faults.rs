//! Passes that panic, fail, give no numbers or take long, beside ones that do not.

use std::time::Duration;

use explaind::config::Config;
use explaind::model::faults::{Fault, heal, inject};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::service::{patient, single_file, start, start_with};
use crate::support::{Held, StoppedClock, until};

/// The answer to a text beside others, by itself before.
async fn neighbours_are_whole(word: &str, fault: Fault) {
    let service = start().await;
    let ask = |text: String| json!({"inputs": text, "methods": ["saliency", "occlusion"]});
    let texts: Vec<String> = (1..12).map(|i| "so very good ".repeat(i)).collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(service.explain(ask(text.clone())).await["results"].clone());
    }
    inject(word, fault.clone());
    for _ in 0..3 {
        let poison = ask(format!("a {word} for all"));
        let poisoned = async { service.post("/explain", poison).await };
        let others = join_all(texts.iter().map(|text| service.explain(ask(text.clone()))));
        let (poisoned, others) = tokio::join!(poisoned, others);
        let problem = poisoned.problem(500, "internal");
        assert!(!problem["detail"].as_str().unwrap().contains(word), "{problem}");
        let others: Vec<Value> =
            others.into_iter().map(|answer| answer["results"].clone()).collect();
        assert!(others == alone, "a neighbour of {fault:?} has another answer");
    }
    heal(word);
    service.explain(ask(format!("a {word} for all"))).await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_row_that_panics_fails_alone() {
    neighbours_are_whole("disaster", Fault::Panic).await;
}

#[tokio::test]
async fn a_row_that_fails_fails_alone() {
    neighbours_are_whole("storm", Fault::Error).await;
}

#[tokio::test]
async fn a_row_without_numbers_fails_alone() {
    neighbours_are_whole("horse", Fault::NotANumber).await;
}

#[tokio::test]
async fn in_a_list_only_the_row_that_fails_does() {
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

/// Every text of the built-in model has the token that begins it: this is another
/// model's, so that no other test is in its way.
#[tokio::test]
async fn where_every_pass_fails_it_is_not_ready_until_one_works() {
    let folder = crate::support::golden_folder("camembert-sequence");
    let models = vec![explaind::config::ModelEntry {
        id: "all".to_owned(),
        source: folder.to_str().unwrap().to_owned(),
        activation: None,
    }];
    let service = start_with(&Config { models, ..patient() }).await;
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

/// One worker: a pass is held, and nothing of its request runs after it.
#[tokio::test]
async fn work_that_is_late_or_left_stops_within_a_pass() {
    let service = single_file().await;
    let clock = StoppedClock::new();
    // 2,000 rows of five tokens: passes enough.
    let methods = json!([{"name": "integrated_gradients", "n_steps": 2_000}]);
    let body = json!({"inputs": "the snow", "attention": false, "budget_ms": 1_000,
                      "methods": methods});
    let idle = async |held: Held| {
        // While its pass is held.
        until(|| service.service.explainer.engine.admission.in_flight() == 0).await;
        held.open();
        // Whatever were to run still would do so before another caller is done.
        for _ in 0..3 {
            service.explain(json!({"inputs": "rain", "methods": ["saliency"]})).await;
        }
        assert_eq!(held.passes(), 4);
    };
    let held = Held::after(3, "snow");
    let request = service.post("/explain", &body);
    let reply = held.while_time_goes_by(&clock, Duration::from_secs(1), request).await;
    reply.problem(504, "deadline_exceeded");
    idle(held).await;
    // A caller that leaves drops the future of its answer.
    let held = Held::after(3, "snow");
    tokio::select! {
        _ = service.post("/explain", &body) => panic!("a pass of it is held"),
        () = held.reached() => {}
    }
    idle(held).await;
}
