//! Partial results at the deadline, or if the queue is full.

use std::time::Duration;

use serde_json::{Value, json};

use super::numbers;
use crate::support::service::{self, Running};
use crate::support::{Held, PausedClock, wait_until};

/// With a budget of one second, methods that can stop early stop before this time.
const NEARLY_ALL: Duration = Duration::from_millis(900);

/// Returns the first result of a request with a budget of one second, nearly all of which elapses
/// during one pass: the one after `free` passes with `piece`.
async fn interrupted(service: &Running, piece: &'static str, free: usize, body: &Value) -> Value {
    let clock = PausedClock::new();
    let held = Held::after(free, piece);
    let request = service.explain(body.clone());
    let answer = held.advance_while_held(&clock, NEARLY_ALL, request).await;
    tokio::time::resume();
    answer["results"][0].clone()
}

fn codes(result: &Value) -> Vec<&str> {
    let warnings = result["warnings"].as_array().into_iter().flatten();
    warnings.map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn measures_without_enough_time_are_skipped_with_a_warning() {
    let service = service::start_single_threaded().await;
    let body = json!({"inputs": "The school is not good, but the cast is great.",
        "methods": ["saliency"], "evaluate": "all", "budget_ms": 1_000});
    // One pass for the prediction, one for the method; the third is for a measure.
    let result = interrupted(&service, "school", 2, &body).await;
    assert!(codes(&result).contains(&"not_measured"), "{result}");
    let measured = result["evaluation"]["saliency"].as_object().unwrap();
    assert!(measured.contains_key("complexity"), "measures without passes have values");
    assert!(!measured.contains_key("infidelity"), "{measured:?}");
    assert!(result["explanations"][0]["attributions"]["word"].is_array());
}

/// If the time is too short for all samples, the result is that of fewer samples, with a warning.
#[tokio::test]
async fn sampling_stops_early_at_the_deadline() {
    let service = service::start_single_threaded().await;
    let text = "The doctor is not good, but the cast is great. I would see it again, and again!";
    for (method, free) in [
        (json!({"name": "lime", "max_evals": 200, "tolerance": 0}), 6),
        (json!({"name": "kernel_shap", "max_evals": 200, "tolerance": 0}), 6),
        // Its first round, which always runs, takes several passes.
        (json!({"name": "partition_shap", "max_evals": 1_000, "tolerance": 0}), 12),
        (json!({"name": "smooth_grad", "n_samples": 100, "tolerance": 0}), 6),
        (json!({"name": "gradient_shap", "n_samples": 100, "tolerance": 0}), 6),
    ] {
        let body = |method: &Value| json!({"inputs": text, "methods": [method], "attention": false, "budget_ms": 1_000});
        let result = interrupted(&service, "doctor", free, &body(&method)).await;
        let one = &result["explanations"][0];
        let samples = one["n_samples"].as_u64().unwrap();
        assert!(samples > 0 && one["finished"] == false, "{method}: {samples}");
        assert!(numbers(&one["attributions"]["word"]).iter().any(|score| *score != 0.));
        assert!(codes(&result).contains(&"stopped_early"), "{result}");
        // The scores equal those of a request for this number of samples.
        let mut shorter = method.clone();
        match method["name"].as_str().unwrap() {
            // Two evaluations are for all units and for none.
            "kernel_shap" => shorter["max_evals"] = json!(samples + 2),
            "smooth_grad" | "gradient_shap" => shorter["n_samples"] = json!(samples),
            // The penalty of LIME and the parts of partition_shap depend on the requested number.
            _ => continue,
        }
        let mut shorter = body(&shorter);
        shorter["budget_ms"] = json!(3_600_000);
        let answer = service.explain(shorter).await;
        let finished = &answer["results"][0]["explanations"][0];
        assert_eq!(one["attributions"], finished["attributions"], "{method}");
        assert_eq!(finished["finished"], true);
    }
}

/// If there is no time to run all combinations, the result is a sample, which is not finished
/// however exact it is: with more time, the same request has other scores.
#[tokio::test]
async fn combinations_that_were_not_all_run_are_not_finished() {
    let service = service::start_single_threaded().await;
    let text = "The sailor sings well but not today.";
    for method in ["lime", "kernel_shap", "partition_shap"] {
        let methods = json!([{"name": method, "tolerance": 1}]);
        let body =
            json!({"inputs": text, "methods": methods, "attention": false, "budget_ms": 1_000});
        let clock = PausedClock::new();
        // One pass for the prediction, and one for the first of the eight rounds.
        let held = Held::after(2, "sailor");
        let (answer, ()) = tokio::join!(service.explain(body), async {
            held.reached().await;
            clock.advance(NEARLY_ALL).await;
            held.open();
        });
        tokio::time::resume();
        let one = &answer["results"][0]["explanations"][0];
        assert_eq!(one["finished"], false, "{method}: {one}");
        assert_ne!(one["n_samples"], 256, "{method}");
    }
}

/// Units that share a part are never final, however small the standard errors are.
#[tokio::test]
async fn shared_parts_that_were_cut_short_are_not_finished() {
    let service = service::start_single_threaded().await;
    let methods = json!([{"name": "partition_shap", "max_evals": 40, "tolerance": 1}]);
    let text = "The soldier sings well but not today.";
    let body = json!({"inputs": text, "methods": methods, "attention": false, "budget_ms": 1_000});
    let clock = PausedClock::new();
    // Passes that read the word: one for the prediction, and one for the first orders.
    let held = Held::after(2, "soldier");
    let answer = held.advance_while_held(&clock, NEARLY_ALL, service.explain(body)).await;
    let one = &answer["results"][0]["explanations"][0];
    assert_eq!((&one["finished"], &one["converged"]), (&json!(false), &json!(false)), "{one}");
}

/// Adaptive steps stop with the last complete quadrature rule. Without any complete rule, the
/// request fails.
#[tokio::test]
async fn adaptive_steps_stop_early_at_the_deadline() {
    let service = service::start_single_threaded().await;
    let method = json!({"name": "integrated_gradients", "tolerance": 1e-6});
    let text = "The hospital is not good, but the cast is great. I would see it again, and again!";
    let body = json!({"inputs": text, "methods": [method], "attention": false, "budget_ms": 1_000});
    let mut unlimited = body.clone();
    unlimited["budget_ms"] = json!(3_600_000);
    let all = service.explain(unlimited).await;
    let all = &all["results"][0]["explanations"][0];
    assert_eq!(all["n_steps"], 129);
    // One pass for the prediction and one for the first 9 points.
    let clock = PausedClock::new();
    let held = Held::after(2, "hospital");
    let answer = held.advance_while_held(&clock, NEARLY_ALL, service.explain(body.clone())).await;
    let one = &answer["results"][0]["explanations"][0];
    assert_eq!(one["converged"], false);
    assert_eq!(one["n_steps"], 9);
    drop(held);
    let held = Held::after(1, "hospital");
    let reply = held
        .advance_while_held(&clock, Duration::from_secs(1), service.post("/explain", &body))
        .await;
    reply.problem(504, "deadline_exceeded");
}

/// While another request occupies the worker, sampling stops early instead of failing.
#[tokio::test]
async fn sampling_stops_early_if_the_queue_is_full() {
    let service = service::start_single_threaded().await;
    let clock = PausedClock::new();
    let (held, other) = (Held::after(4, "garden"), Held::after(0, "kitchen"));
    let lime = json!({"inputs": "The garden was good, and so were the others, all in all.",
        "methods": [{"name": "lime", "max_evals": 400, "tolerance": 0}], "attention": false, "budget_ms": 1_000});
    let admission = &service.service.explainer.engine.admission;
    let (answer, (prediction, ())) = tokio::join!(service.explain(lime), async {
        held.reached().await;
        let own = admission.in_flight();
        tokio::join!(service.post("/predict", json!({"inputs": "a kitchen"})), async {
            wait_until(|| admission.in_flight() > own).await;
            held.open();
            // From now on, the only worker is busy with the other request.
            other.reached().await;
            clock.advance(NEARLY_ALL).await;
            other.open();
        })
    });
    assert_eq!(prediction.status, 200);
    let one = &answer["results"][0]["explanations"][0];
    assert!(one["n_samples"].as_u64().unwrap() >= 16 && one["finished"] == false, "{one}");
}
