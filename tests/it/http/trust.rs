//! Measures, comparison, prices, and work that stops in time.

use std::time::Duration;

use explaind::config::{Config, ModelEntry};
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{self, Running, patient};
use crate::support::{Held, StoppedClock, golden_folder, until};

/// Of a request with a second to answer: what can stop has stopped.
const NEARLY_ALL: Duration = Duration::from_millis(900);

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn every_measure_of_every_method() {
    let service = service::start().await;
    let methods = service.get("/methods").await.json();
    let names: Vec<&str> = methods["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    let answer = service
        .explain(json!({"inputs": GREAT, "methods": names, "evaluate": "all", "seed": 3}))
        .await;
    let result = &answer["results"][0];
    let evaluation = result["evaluation"].as_object().unwrap();
    assert_eq!(evaluation.len(), names.len() + 1, "each method, and the reference");
    for name in &names {
        let measures = &evaluation[*name];
        for measure in ["comprehensiveness", "sufficiency", "infidelity"] {
            let value = measures[measure].as_f64().unwrap();
            assert!((-1. ..=1.).contains(&value), "{name} {measure} {value}");
        }
        let words = measures["complexity"]["effective_words"].as_f64().unwrap();
        assert!((1. ..=6.01).contains(&words), "{name}: {words} of six words");
        let has_baseline = measures["baseline_sensitivity"].is_object();
        let method = names.iter().position(|own| own == name).unwrap();
        let options = &result["explanations"][method]["options"];
        let expected = options["baseline"].is_string() || options["replacement"].is_string();
        assert_eq!(has_baseline, expected, "{name}");
    }
    let faithful = evaluation["integrated_gradients"]["comprehensiveness"].as_f64().unwrap();
    let random = evaluation["random"]["comprehensiveness"].as_f64().unwrap();
    assert!(faithful > random, "{faithful} {random}");
    let pairs = result["agreement"].as_array().unwrap();
    assert_eq!(pairs.len(), names.len() * (names.len() - 1) / 2);
    // The listed measures are those that come.
    for measure in methods["measures"].as_array().unwrap() {
        let name = measure["name"].as_str().unwrap();
        let found = evaluation.values().any(|measures| !measures[name].is_null());
        assert!(found || ["random_reference", "agreement"].contains(&name), "{name}");
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answer_and_another_does_not() {
    let service = service::start().await;
    let text = "The plot is not good, but the cast is great and the music too.";
    let ask = async |seed: u64| {
        let methods = json!([
            {"name": "smooth_grad", "n_samples": 5},
            {"name": "gradient_shap", "n_samples": 5},
            {"name": "lime", "max_evals": 40},
            {"name": "kernel_shap", "max_evals": 40},
            {"name": "partition_shap", "max_evals": 40},
        ]);
        let body = json!({"inputs": text, "methods": methods, "seed": seed});
        let answer = service.explain(body).await;
        let explanations = answer["results"][0]["explanations"].as_array().unwrap().clone();
        explanations
            .into_iter()
            .map(|one| numbers(&one["attributions"]["word"]))
            .collect::<Vec<_>>()
    };
    let (first, again, other) = (ask(1).await, ask(1).await, ask(2).await);
    assert_eq!(first, again);
    for (method, (first, other)) in first.iter().zip(&other).enumerate().take(4) {
        assert_ne!(first, other, "method {method}");
    }
    assert_eq!(first[4], other[4], "Owen values draw nothing");
}

/// Shapley's and Owen's values share out all of the change, whatever is asked for.
#[tokio::test]
async fn scores_that_promise_it_add_up() {
    let service = service::start().await;
    let text = "The plot is not good, but the cast is great. I would see it again, and again!";
    for replacement in ["mask", "pad", "remove"] {
        for max_evals in [10, 60, 300] {
            let options = json!({"max_evals": max_evals, "replacement": replacement});
            let mut methods = vec![options.clone(), options];
            methods[0]["name"] = json!("kernel_shap");
            methods[1]["name"] = json!("partition_shap");
            let answer = service.explain(json!({"inputs": text, "methods": methods})).await;
            for one in answer["results"][0]["explanations"].as_array().unwrap() {
                let sum: f64 = numbers(&one["attributions"]["token"]).iter().sum();
                let change =
                    one["output_value"].as_f64().unwrap() - one["baseline_value"].as_f64().unwrap();
                assert!((sum - change).abs() < 1e-4, "{}: {sum} {change}", one["method"]);
                assert!(one["n_samples"].as_u64().unwrap() <= max_evals);
                assert_eq!(one["finished"], true);
            }
        }
    }
}

#[tokio::test]
async fn warnings_say_what_makes_an_answer_worth_less() {
    let service = service::start().await;
    let codes = async |body: Value| {
        let answer = service.explain(body).await;
        let warnings = answer["results"][0]["warnings"].as_array().cloned().unwrap_or_default();
        warnings.iter().map(|w| w["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none = codes(json!({"inputs": GREAT, "methods": ["integrated_gradients"]})).await;
    assert!(none.is_empty(), "{none:?}");
    let steps = json!([{"name": "integrated_gradients", "n_steps": 1}]);
    let rough = codes(json!({"inputs": GREAT, "methods": steps})).await;
    assert!(rough.contains(&"not_converged".to_owned()), "{rough:?}");
}

/// The codes of the warnings of a random model's answer.
async fn warnings_of(folder: &str, methods: Value) -> Vec<String> {
    let source = golden_folder(folder).display().to_string();
    let model = ModelEntry { id: folder.to_owned(), source, activation: None };
    let config = Config { models: vec![model], ..patient() };
    let service = service::start_with(&config).await;
    let body = json!({"inputs": "this film was dull and the plot was bad", "methods": methods});
    let answer = service.explain(body).await;
    let warnings = answer["results"][0]["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

/// DeBERTa-v3 normalises words before anything is added: the embedding times its
/// gradient is zero there, and an answer of zeros says so.
#[tokio::test]
async fn scores_of_nothing_are_called_that() {
    let found = warnings_of("deberta-v3-sequence", json!(["input_x_gradient"])).await;
    assert!(found.contains(&"scores_near_zero".to_owned()), "{found:?}");
}

#[tokio::test]
async fn methods_that_disagree_are_named() {
    let methods = json!(["integrated_gradients", "input_x_gradient", "attention_flow", "lime"]);
    let found = warnings_of("bert-tiny", methods).await;
    assert!(found.contains(&"methods_disagree".to_owned()), "{found:?}");
}

/// Where the only word is the one that is explained, nothing can be taken away.
#[tokio::test]
async fn one_word_alone_is_measured_as_far_as_it_goes() {
    let source = golden_folder("bert-tokens").display().to_string();
    let model = ModelEntry { id: "tokens".to_owned(), source, activation: None };
    let config = Config { models: vec![model], ..patient() };
    let service = service::start_with(&config).await;
    let body = json!({"inputs": "Paris", "target": {"token": 1, "index": 1},
        "methods": ["saliency"], "evaluate": "all"});
    let answer = service.explain(body).await;
    assert_eq!(answer["results"][0]["warnings"][0]["code"], "not_measured");
    let service = service::start().await;
    let answer = service.explain(json!({"inputs": "good", "evaluate": "all"})).await;
    assert!(answer["results"][0]["evaluation"]["random"].is_object());
}

#[tokio::test]
async fn evaluate_is_read_strictly() {
    let service = service::start().await;
    for (evaluate, pointer) in [
        (json!("everything"), "/evaluate"),
        (json!(["comprehensiveness", "faith"]), "/evaluate/1"),
        (json!([{"measures": "all"}]), "/evaluate/0"),
        (json!({"measures": ["faith"]}), "/evaluate/measures/0"),
        (json!({"thresholds": []}), "/evaluate/thresholds"),
        (json!({"thresholds": [0.5, 0]}), "/evaluate/thresholds/1"),
        (json!({"thresholds": [1.5]}), "/evaluate/thresholds/0"),
        (json!({"unit": "letter"}), "/evaluate/unit"),
        (json!({"rule": "mine"}), "/evaluate/rule"),
        (json!({"removal": "mask"}), "/evaluate/removal"),
    ] {
        let reply = service.post("/explain", json!({"inputs": GREAT, "evaluate": evaluate})).await;
        let problem = reply.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{evaluate}");
    }
}

#[tokio::test]
async fn methods_are_compared_and_ranked() {
    let service = service::start().await;
    let reply = service.post("/explain/compare", json!({"inputs": GREAT})).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    let result = &answer["results"][0];
    let ranking = result["ranking"].as_array().unwrap();
    assert_eq!(ranking.len(), result["explanations"].as_array().unwrap().len());
    let ranks: Vec<f64> =
        ranking.iter().map(|ranked| ranked["mean_rank"].as_f64().unwrap()).collect();
    assert!(ranks.is_sorted() && ranks[0] >= 1.);
    for cost in answer["usage"]["methods"].as_array().unwrap() {
        let rows = |name: &str| cost[name].as_u64().unwrap();
        assert!(rows("forward_rows") + rows("gradient_rows") > 0, "{cost}");
        assert!(cost["compute_ms"].as_f64().unwrap() > 0.);
    }
}

#[tokio::test]
async fn prices_are_those_that_are_paid() {
    let service = service::start().await;
    let body = json!({"inputs": [GREAT, "so so"], "target": "all", "methods": [
        "saliency",
        {"name": "integrated_gradients", "n_steps": 20},
        {"name": "lime", "max_evals": 30},
        {"name": "occlusion", "unit": "token"},
    ]});
    let price = service.post("/estimate", &body).await.json();
    let paid = service.explain(body).await["usage"].clone();
    assert_eq!(price["tokens"], paid["tokens"]);
    // A row may give the gradients of several targets at once; a price counts each.
    assert_eq!(
        price["gradient_rows"].as_u64().unwrap(),
        2 * paid["gradient_rows"].as_u64().unwrap()
    );
    let (priced, rows) =
        (price["forward_rows"].as_u64().unwrap(), paid["forward_rows"].as_u64().unwrap());
    assert!(rows <= priced && priced <= rows + 8, "{priced} {rows}: special tokens stay");
    assert!(price["expected_ms"].as_f64().unwrap() > 0.);
    assert!(price["cost"].as_u64().unwrap() < price["cost_limit"].as_u64().unwrap());
    let methods = price["methods"].as_array().unwrap();
    assert_eq!(
        methods.iter().map(|m| m["method"].as_str().unwrap()).collect::<Vec<_>>(),
        ["saliency", "integrated_gradients", "lime", "occlusion"]
    );
    // What /explain refuses is refused here too, in the same words.
    let wrong = json!({"inputs": GREAT, "methods": [{"name": "lime", "max_evals": 1}]});
    let (here, there) =
        (service.post("/estimate", &wrong).await, service.post("/explain", &wrong).await);
    let problem = here.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], there.json()["pointer"]);
    assert_eq!(problem["detail"], there.json()["detail"]);
}

/// The first result of a request with a second to answer, nearly all of which goes
/// by while the pass after `free` others with `piece` is still running.
async fn interrupted(service: &Running, piece: &'static str, free: usize, body: &Value) -> Value {
    let clock = StoppedClock::new();
    let held = Held::after(free, piece);
    let request = service.explain(body.clone());
    let answer = held.while_time_goes_by(&clock, NEARLY_ALL, request).await;
    tokio::time::resume();
    answer["results"][0].clone()
}

fn codes(result: &Value) -> Vec<&str> {
    let warnings = result["warnings"].as_array().into_iter().flatten();
    warnings.map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// Measures leave out what there is no time for, and say so.
#[tokio::test]
async fn measures_stop_in_time_too() {
    let service = service::single_file().await;
    let body = json!({"inputs": "The school is not good, but the cast is great.",
        "methods": ["saliency"], "evaluate": "all", "budget_ms": 1_000});
    // The prediction and the method take a pass each; the third is of a measure.
    let result = interrupted(&service, "school", 2, &body).await;
    assert!(codes(&result).contains(&"not_measured"), "{result}");
    let measured = result["evaluation"]["saliency"].as_object().unwrap();
    assert!(measured.contains_key("complexity"), "what costs nothing is there");
    assert!(!measured.contains_key("infidelity"), "{measured:?}");
    assert!(result["explanations"][0]["attributions"]["word"].is_array());
}

/// A budget that is too short for all samples gives what there was time for, and
/// says so; which words have scores does not depend on when it ended.
#[tokio::test]
async fn sampling_stops_in_time_and_says_what_it_reached() {
    let service = service::single_file().await;
    let text = "The doctor is not good, but the cast is great. I would see it again, and again!";
    for method in [
        json!({"name": "lime", "max_evals": 200}),
        json!({"name": "kernel_shap", "max_evals": 200}),
        json!({"name": "partition_shap", "max_evals": 200}),
        json!({"name": "smooth_grad", "n_samples": 100}),
        json!({"name": "gradient_shap", "n_samples": 100}),
    ] {
        let body = |method: &Value| json!({"inputs": text, "methods": [method], "attention": false, "budget_ms": 1_000});
        let result = interrupted(&service, "doctor", 6, &body(&method)).await;
        let one = &result["explanations"][0];
        let samples = one["n_samples"].as_u64().unwrap();
        assert!(samples > 0 && one["finished"] == false, "{method}: {samples}");
        assert!(numbers(&one["attributions"]["word"]).iter().any(|score| *score != 0.));
        assert!(codes(&result).contains(&"stopped_early"), "{result}");
        // The scores are those of so many samples, as if no more had been asked for.
        let mut shorter = method.clone();
        match method["name"].as_str().unwrap() {
            "lime" => shorter["max_evals"] = json!(samples),
            "smooth_grad" | "gradient_shap" => shorter["n_samples"] = json!(samples),
            // These choose their samples by how many there are to be.
            _ => continue,
        }
        let mut shorter = body(&shorter);
        shorter["budget_ms"] = json!(3_600_000);
        let whole = service.explain(shorter).await;
        let whole = &whole["results"][0]["explanations"][0];
        assert_eq!(one["attributions"], whole["attributions"], "{method}");
        assert_eq!(whole["finished"], true);
    }
}

/// Steps that adapt end with the last complete rule; where not even the first one is
/// done, there is nothing to answer with.
#[tokio::test]
async fn adaptive_steps_stop_in_time() {
    let service = service::single_file().await;
    let method = json!({"name": "integrated_gradients", "tolerance": 1e-6});
    let text = "The hospital is not good, but the cast is great. I would see it again, and again!";
    let body = json!({"inputs": text, "methods": [method], "attention": false, "budget_ms": 1_000});
    // As long as it takes.
    let mut patient = body.clone();
    patient["budget_ms"] = json!(3_600_000);
    let all = service.explain(patient).await;
    let all = &all["results"][0]["explanations"][0];
    assert_eq!(all["n_steps"], 129);
    // The prediction and the first 9 points take a pass each.
    let clock = StoppedClock::new();
    let held = Held::after(2, "hospital");
    let answer = held.while_time_goes_by(&clock, NEARLY_ALL, service.explain(body.clone())).await;
    let one = &answer["results"][0]["explanations"][0];
    assert_eq!(one["converged"], false);
    assert_eq!(one["n_steps"], 9);
    drop(held);
    let held = Held::after(1, "hospital");
    let reply = held
        .while_time_goes_by(&clock, Duration::from_secs(1), service.post("/explain", &body))
        .await;
    reply.problem(504, "deadline_exceeded");
}

/// A full queue is as a slow machine: what has samples answers from them.
#[tokio::test]
async fn a_full_queue_does_not_turn_samples_into_an_error() {
    let service = service::single_file().await;
    let clock = StoppedClock::new();
    let (held, other) = (Held::after(4, "garden"), Held::after(0, "kitchen"));
    let lime = json!({"inputs": "The garden was good, and so were the others, all in all.",
        "methods": [{"name": "lime", "max_evals": 400}], "attention": false, "budget_ms": 1_000});
    let admission = &service.service.explainer.engine.admission;
    let (answer, (prediction, ())) = tokio::join!(service.explain(lime), async {
        held.reached().await;
        let own = admission.in_flight();
        tokio::join!(service.post("/predict", json!({"inputs": "a kitchen"})), async {
            until(|| admission.in_flight() > own).await;
            held.open();
            // The only worker is busy with the other caller's pass from now on.
            other.reached().await;
            clock.advance(NEARLY_ALL).await;
            other.open();
        })
    });
    assert_eq!(prediction.status, 200);
    let one = &answer["results"][0]["explanations"][0];
    assert!(one["n_samples"].as_u64().unwrap() >= 16 && one["finished"] == false, "{one}");
}
