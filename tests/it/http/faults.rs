//! Passes that panic, fail, give no numbers or take long, beside ones that do not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use explaind::config::Config;
use explaind::model::faults::{Fault, heal, inject};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::service::{start, start_with};

/// The answer to a text beside others, by itself before.
async fn neighbours_are_whole(word: &str, fault: Fault) {
    let service = start().await;
    let ask = |text: String| json!({"inputs": text, "methods": ["saliency", "occlusion"]});
    let texts: Vec<String> = (1..12).map(|i| "so very good ".repeat(i)).collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(service.explain(ask(text.clone())).await["results"].clone());
    }
    inject(word, fault);
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
    let service = start_with(&Config { models, ..Config::default() }).await;
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

#[tokio::test]
async fn work_that_is_late_or_left_stops_within_a_pass() {
    let service = start().await;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let struck = inject("snow", Fault::Slow(Duration::from_millis(50)));
    // 2,000 rows of five tokens: 40 passes or more.
    let body = |budget: u64| {
        json!({
            "inputs": "the snow", "attention": false, "budget_ms": budget,
            "methods": [{"name": "integrated_gradients", "n_steps": 2_000}],
        })
    };
    service.post("/explain", body(200)).await.problem(408, "deadline_exceeded");
    let idle = async |before: usize| {
        assert_eq!(service.service.explainer.engine.admission.in_flight(), 0);
        let at = struck.load(Ordering::Relaxed);
        assert!((before..before + 30).contains(&at), "{at} passes ran");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let later = struck.load(Ordering::Relaxed);
        assert!(later <= at + workers, "{at} passes, then {later}");
        later
    };
    let before = idle(1).await;
    // A caller that leaves drops the future of its answer.
    let left = service.post("/explain", body(60_000));
    assert!(tokio::time::timeout(Duration::from_millis(200), left).await.is_err());
    idle(before).await;
    heal("snow");
}
