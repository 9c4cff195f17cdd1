//! Zero-shot classification with candidate labels and an NLI model.

use explaind::config::{Config, Limits, ModelEntry};
use serde_json::{Value, json};

use super::{GREAT, numbers, serving, with};
use crate::support::golden_folder;
use crate::support::service::{start, start_with, untimed};

fn request() -> Value {
    json!({
        "inputs": "The actor made the best film.",
        "candidate_labels": ["movies", "music", "the weather"],
        "methods": [{"name": "integrated_gradients", "n_steps": 60}],
    })
}

fn value(number: &Value) -> f64 {
    number.as_f64().expect("a number")
}

#[tokio::test]
async fn candidates_are_predicted_and_explained() {
    let service = serving("bert-nli").await;
    for output in ["logit", "probability"] {
        let body = with(&request(), &json!({"output": output, "target": "all"}));
        let answer = service.explain(body).await;
        let result = &answer["results"][0];
        let predictions = result["predictions"].as_array().unwrap();
        let sum: f64 = predictions.iter().map(|p| value(&p["probability"])).sum();
        assert!((sum - 1.).abs() < 1e-6);
        let explanations = result["explanations"].as_array().unwrap();
        assert_eq!(explanations.len(), 3);
        for (index, one) in explanations.iter().enumerate() {
            let label = &one["target"]["label"];
            assert_eq!(label, &request()["candidate_labels"][index]);
            let served = predictions.iter().find(|p| &p["label"] == label).unwrap();
            assert_eq!(one["output_value"], served[output], "the prediction is explained");
            // Only tokens of the text have scores: the hypothesis is not a feature.
            let scores = numbers(&one["attributions"]["token"]);
            let change = value(&one["output_value"]) - value(&one["baseline_value"]);
            let gap = scores.iter().sum::<f64>() - change - value(&one["convergence_delta"]);
            assert!(gap.abs() < 1e-4, "{gap}");
            assert_eq!(one["converged"], true, "{one}");
            for (token, score) in result["tokens"].as_array().unwrap().iter().zip(scores) {
                assert!(token["segment"] == 0 || score == 0., "{token} {score}");
            }
        }
        let words = result["words"].as_array().unwrap();
        assert!(words.iter().all(|word| word["segment"] == 0));
        let tokens = result["tokens"].as_array().unwrap().len();
        assert_eq!(result["attention"]["shape"], json!([1, 1, tokens, tokens]));
    }
}

/// For every method, the hypothesis has scores if and only if `explain_hypothesis` is true.
#[tokio::test]
async fn explain_hypothesis_scores_the_hypothesis() {
    let service = serving("bert-nli").await;
    let methods = json!([
        "saliency", "input_x_gradient", {"name": "smooth_grad", "n_samples": 4},
        {"name": "gradient_shap", "n_samples": 4, "noise_level": 0.1, "baseline": "zero"},
        {"name": "occlusion", "unit": "word", "replacement": "remove"},
        {"name": "lime", "max_evals": 40}, {"name": "kernel_shap", "max_evals": 40},
        {"name": "partition_shap", "max_evals": 40}, "attention_rollout", "attention_flow",
        "attention_gradient", "attention_norm",
    ]);
    for (more, scored) in [
        (json!({"output": "probability"}), false),
        (json!({"output": "probability", "multi_label": true}), false),
        (json!({"target": {"contrast": ["music", "movies"]}}), false),
        (json!({"explain_hypothesis": true}), true),
        (json!({"explain_hypothesis": true, "multi_label": true, "output": "probability"}), true),
    ] {
        let body = with(&with(&request(), &json!({"methods": methods})), &more);
        let answer = service.explain(body).await;
        let result = &answer["results"][0];
        for one in result["explanations"].as_array().unwrap() {
            let scores = numbers(&one["attributions"]["token"]);
            let tokens = result["tokens"].as_array().unwrap().iter().zip(&scores);
            let own =
                tokens.filter(|(token, _)| token["segment"] == 1 && token["special"] == false);
            let size: f64 = own.map(|(_, score)| score.abs()).sum();
            assert_eq!(size > 0., scored, "{} {more}: {size}", one["method"]);
            assert!(scores.iter().any(|score| *score != 0.), "{}", one["method"]);
        }
        let second = |word: &&Value| word["segment"] == 1;
        let words = result["words"].as_array().unwrap().iter().filter(second).count();
        assert_eq!(words > 0, scored);
    }
}

#[tokio::test]
async fn candidates_are_evaluated_and_rendered() {
    let service = serving("bert-nli").await;
    let body = with(
        &request(),
        &json!({"evaluate": "all", "methods": ["saliency", "occlusion"],
        "attention": {"kind": "gradient", "patterns": true}}),
    );
    let answer = service.explain(body.clone()).await;
    let result = &answer["results"][0];
    assert!(
        result["evaluation"]["occlusion"]["comprehensiveness"].is_object()
            || result["evaluation"]["occlusion"]["comprehensiveness"].is_number()
    );
    assert_eq!(result["attention"]["target"], result["explanations"][0]["target"]);
    for form in ["text/html", "image/svg+xml", "application/x-ndjson"] {
        let reply = service.request("POST", "/explain", &[("accept", form)], body.clone()).await;
        assert_eq!(reply.status, 200);
        let best = result["predictions"][0]["label"].as_str().unwrap();
        assert!(String::from_utf8(reply.body).unwrap().contains(best), "{form}");
    }
    let predicted = json!({"inputs": request()["inputs"], "multi_label": true,
        "candidate_labels": request()["candidate_labels"]});
    let predicted = service.post("/predict", predicted).await.json();
    let predictions = predicted["results"][0]["predictions"].as_array().unwrap();
    let sorted: Vec<f64> = predictions.iter().map(|p| value(&p["probability"])).collect();
    assert!(sorted.windows(2).all(|pair| pair[0] >= pair[1]), "{sorted:?}");
}

#[tokio::test]
async fn truncation_is_the_same_for_all_candidates() {
    let service = serving("bert-nli").await;
    let labels = json!(["movies", "the very best music in the end"]);
    let text = "The actor made the best film. ".repeat(9);
    let body = with(
        &request(),
        &json!({"inputs": text, "candidate_labels": labels,
        "hypothesis_template": "so {}"}),
    );
    let long = service.post("/explain", body.clone()).await.problem(422, "input_too_long");
    assert_eq!(long["pointer"], "/inputs");
    let body = with(&body, &json!({"truncate": true, "target": "all"}));
    let answer = service.explain(body).await;
    let result = &answer["results"][0];
    assert_eq!(result["truncated"], true);
    let words = result["words"].as_array().unwrap().len();
    for one in result["explanations"].as_array().unwrap() {
        assert_eq!(numbers(&one["attributions"]["word"]).len(), words);
        assert_eq!(one["converged"], true);
    }
    let endless = json!(["movies", "music and ".repeat(12)]);
    let body = with(
        &request(),
        &json!({"inputs": text, "candidate_labels": endless,
        "truncate": true}),
    );
    let problem = service.post("/explain", body).await.problem(422, "input_too_long");
    assert_eq!(problem["pointer"], "/candidate_labels/1");
}

#[tokio::test]
async fn invalid_requests_are_rejected_with_a_pointer() {
    let service = serving("bert-nli").await;
    let pair = json!({"text": "a", "text_pair": "b"});
    for (more, code, pointer) in [
        (json!({"candidate_labels": []}), "input_empty", "/candidate_labels"),
        (json!({"candidate_labels": ["a", " "]}), "input_empty", "/candidate_labels/1"),
        (json!({"candidate_labels": ["a", "b", "a"]}), "invalid_field", "/candidate_labels/2"),
        (json!({"candidate_labels": ["a", 3]}), "invalid_field", "/candidate_labels/1"),
        (json!({"candidate_labels": "a, b"}), "invalid_field", "/candidate_labels"),
        (json!({"candidate_labels": null}), "target_not_found", "/target"),
        (json!({"candidate_labels": null, "multi_label": true}), "invalid_field", "/multi_label"),
        (json!({"hypothesis_template": "about"}), "invalid_field", "/hypothesis_template"),
        (json!({"hypothesis_template": "{} {}"}), "invalid_field", "/hypothesis_template"),
        (json!({"hypothesis_template": "{0} {}"}), "invalid_field", "/hypothesis_template"),
        (json!({"window": {"stride": 8}}), "invalid_field", "/window"),
        (json!({"inputs": pair}), "invalid_field", "/inputs/text_pair"),
        (json!({"target": {"label": "sport"}}), "target_not_found", "/target"),
        (json!({"target": {"index": 3}}), "target_not_found", "/target"),
        (json!({"target": {"contrast": ["music", 1]}}), "invalid_field", "/target/contrast"),
        (json!({"target": {"token": 1, "label": "music"}}), "target_not_found", "/target/token"),
        (json!({"target": {"position": "end"}}), "target_not_found", "/target/position"),
        (
            json!({"explain_hypothesis": true, "target": "all"}),
            "invalid_field",
            "/explain_hypothesis",
        ),
        (
            json!({"explain_hypothesis": true, "output": "probability"}),
            "invalid_field",
            "/explain_hypothesis",
        ),
        (
            json!({"explain_hypothesis": true, "evaluate": "all"}),
            "invalid_field",
            "/explain_hypothesis",
        ),
    ] {
        let body = with(&with(&request(), &json!({"target": {"label": "music"}})), &more);
        let problem = service.post("/explain", body).await.problem(422, code);
        assert_eq!(problem["pointer"], pointer, "{more}");
    }
    let sentiment = start().await;
    let problem = sentiment.post("/explain", request()).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/candidate_labels");
    assert!(problem["detail"].as_str().unwrap().contains("NEGATIVE, POSITIVE"), "{problem}");
}

#[tokio::test]
async fn candidates_are_limited_and_their_cost_is_estimated() {
    let limits = Limits { candidates: 3, candidate_characters: 12, ..untimed().limits };
    let source = golden_folder("bert-nli").display().to_string();
    let model = ModelEntry::new("nli", source);
    let config = Config { limits, models: vec![model], ..untimed() };
    let service = start_with(&config).await;
    let body = |labels: Value, more: Value| {
        with(&json!({"inputs": GREAT, "candidate_labels": labels, "attention": false}), &more)
    };
    let short = json!({"hypothesis_template": "on {}"});
    for (labels, more, pointer) in [
        (json!(["a", "b", "c", "d"]), short.clone(), "/candidate_labels"),
        (json!(["a", "b".repeat(13)]), short.clone(), "/candidate_labels/1"),
        (json!(["a"]), json!({"hypothesis_template": "is this about {}"}), "/hypothesis_template"),
    ] {
        let reply = service.post("/explain", body(labels, more)).await;
        assert_eq!(reply.problem(422, "invalid_field")["pointer"], pointer);
    }
    // The estimate equals the usage, and more candidates cost more.
    let method = json!([{"name": "integrated_gradients", "n_steps": 5}]);
    let mut costs = Vec::new();
    for (labels, more) in [
        (json!(["a", "b"]), json!({})),
        (json!(["a", "b", "c"]), json!({})),
        (json!(["a", "b", "c"]), json!({"target": "all"})),
        (json!(["a", "b", "c"]), json!({"output": "probability"})),
        (json!(["a", "b", "c"]), json!({"output": "probability", "target": "all"})),
    ] {
        let body = with(&body(labels, more), &with(&short, &json!({"methods": method})));
        let estimate = service.post("/estimate", body.clone()).await.json();
        let used = service.explain(body).await["usage"].clone();
        for count in ["forward_rows", "gradient_rows"] {
            assert_eq!(estimate[count], used[count], "{count} {costs:?}");
        }
        costs.push(estimate["cost"].as_u64().unwrap());
    }
    // Three targets that need one pair each cost as much as one target that needs three pairs.
    assert!(costs[0] < costs[1] && costs[1] < costs[2] && costs[2] == costs[3], "{costs:?}");
    assert!(costs[3] < costs[4], "{costs:?}");
}
