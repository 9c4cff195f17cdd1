//! Evaluation, comparison and cost estimates.

use explaind::config::{Config, ModelEntry};
use serde_json::{Value, json};

use super::{GREAT, numbers};
use crate::support::golden_folder;
use crate::support::service::{self, untimed};

#[tokio::test]
async fn every_measure_of_every_method() {
    let service = service::start().await;
    let methods = service.get("/methods").await.json();
    let names: Vec<&str> = methods["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|method| method["interactions"] != "two_texts")
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    let input = json!({"text": GREAT, "rationale": [[0, 4]]});
    let answer = service
        .explain(json!({"inputs": input, "methods": names, "evaluate": "all", "seed": 3}))
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
    // Every listed measure has a value.
    for measure in methods["measures"].as_array().unwrap() {
        let name = measure["name"].as_str().unwrap();
        let measured = evaluation.values().any(|measures| !measures[name].is_null());
        assert!(measured || ["random_reference", "agreement"].contains(&name), "{name}");
    }
}

#[tokio::test]
async fn results_are_reproducible_by_seed() {
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
    assert_eq!(first[4], other[4], "Owen values are not sampled");
}

/// Shapley and Owen values sum to the change of the output for any number of evaluations.
#[tokio::test]
async fn shapley_and_owen_values_are_complete() {
    let service = service::start().await;
    let text = "The plot is not good, but the cast is great. I would see it again, and again!";
    for replacement in ["mask", "pad", "remove"] {
        for max_evals in [4, 8, 10, 60, 300] {
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
async fn unconverged_scores_have_a_warning() {
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

/// Returns the codes of the warnings for a randomly initialized model.
async fn warnings_of(folder: &str, methods: Value) -> Vec<String> {
    let source = golden_folder(folder).display().to_string();
    let model = ModelEntry::new(folder, source);
    let config = Config { models: vec![model], ..untimed() };
    let service = service::start_with(&config).await;
    let body = json!({"inputs": "this film was dull and the plot was bad", "methods": methods});
    let answer = service.explain(body).await;
    let warnings = answer["results"][0]["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

/// DeBERTa-v3 applies layer normalization directly to word embeddings, so that input times gradient
/// is zero.
#[tokio::test]
async fn scores_near_zero_have_a_warning() {
    let codes = warnings_of("deberta-v3-sequence", json!(["input_x_gradient"])).await;
    assert!(codes.contains(&"scores_near_zero".to_owned()), "{codes:?}");
}

#[tokio::test]
async fn disagreeing_methods_have_a_warning() {
    let methods = json!(["integrated_gradients", "input_x_gradient", "attention_flow", "lime"]);
    let codes = warnings_of("bert-tiny", methods).await;
    assert!(codes.contains(&"methods_disagree".to_owned()), "{codes:?}");
}

/// If the only word is the target's own, no word can be removed.
#[tokio::test]
async fn a_single_word_is_evaluated_as_far_as_possible() {
    let source = golden_folder("bert-tokens").display().to_string();
    let model = ModelEntry::new("tokens", source);
    let config = Config { models: vec![model], ..untimed() };
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
async fn invalid_evaluate_fields_are_rejected() {
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
        // Another method may have run the same inputs first.
        let rows = rows("forward_rows") + rows("gradient_rows");
        let shares = ["lime", "kernel_shap", "partition_shap", "occlusion"];
        assert!(rows > 0 || shares.iter().any(|name| cost["method"] == *name), "{cost}");
        assert!(cost["compute_ms"].as_f64().unwrap() > 0. || rows == 0);
    }
}

#[tokio::test]
async fn estimates_match_the_usage() {
    let service = service::start().await;
    let body = json!({"inputs": [GREAT, "the plot is so so"], "target": "all", "methods": [
        "saliency",
        {"name": "integrated_gradients", "n_steps": 20},
        {"name": "kernel_shap", "max_evals": 30, "tolerance": 0},
        {"name": "occlusion", "unit": "token", "replacement": "pad"},
    ]});
    let estimate = service.post("/estimate", &body).await.json();
    let usage = service.explain(body).await["usage"].clone();
    assert_eq!(estimate["tokens"], usage["tokens"]);
    // A row may compute the gradients of several targets at once; the estimate counts each.
    assert_eq!(
        estimate["gradient_rows"].as_u64().unwrap(),
        2 * usage["gradient_rows"].as_u64().unwrap()
    );
    let (estimated, rows) =
        (estimate["forward_rows"].as_u64().unwrap(), usage["forward_rows"].as_u64().unwrap());
    assert!(rows <= estimated && estimated <= rows + 8, "{estimated} {rows}: special tokens");
    assert!(estimate["expected_ms"].as_f64().unwrap() > 0.);
    assert!(estimate["cost"].as_u64().unwrap() < estimate["cost_limit"].as_u64().unwrap());
    let methods = estimate["methods"].as_array().unwrap();
    assert_eq!(
        methods.iter().map(|m| m["method"].as_str().unwrap()).collect::<Vec<_>>(),
        ["saliency", "integrated_gradients", "kernel_shap", "occlusion"]
    );
    // /estimate rejects the same requests as /explain, with the same error.
    let invalid = json!({"inputs": GREAT, "methods": [{"name": "lime", "max_evals": 1}]});
    let (estimate, explain) =
        (service.post("/estimate", &invalid).await, service.post("/explain", &invalid).await);
    let problem = estimate.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], explain.json()["pointer"]);
    assert_eq!(problem["detail"], explain.json()["detail"]);
}
