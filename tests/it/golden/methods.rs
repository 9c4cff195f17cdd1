//! Comparison of sampling, perturbation and attention methods and of measures with Captum, shap,
//! lime and ferret on the same samples: tests/golden/*/methods.json.

use std::fs;

use explaind::checkpoint::Source;
use explaind::choice::Choice as _;
use explaind::evaluation::Value as Measured;
use explaind::explanation::Explained;
use explaind::http;
use explaind::model::Placement;
use serde_json::Value;

use super::{Errors, explain, folders_with, limit, list, placements};
use crate::support::{explainer, golden_folder, load};

fn compare(explained: &Explained, case: &Value, errors: &mut Errors) {
    let golden = list(&case["token"]);
    assert_eq!(explained.explanations.len(), golden.len(), "{}", case["request"]);
    for (i, (ours, theirs)) in explained.explanations.iter().zip(golden).enumerate() {
        let name = ours.method.name;
        errors.note(name, &ours.scores[0].1, theirs);
        errors.note("values", &[ours.output_value], &case["output_value"][i]);
        match (ours.completeness, &case["baseline_value"][i]) {
            (Some(ours_sum), Value::Number(_)) => {
                let size = ours.output_value.abs().max(ours_sum.baseline_value.abs());
                let theirs = case["baseline_value"][i].as_f64().unwrap();
                errors.worsen("values", (ours_sum.baseline_value - theirs).abs() / size);
            }
            (None, Value::Number(_)) => panic!("{name} has no baseline value"),
            _ => {}
        }
        if let Some(fit) = ours.sampling.and_then(|sampling| sampling.fit) {
            let theirs = &case["fit"][i];
            errors.note(
                "fit",
                &[fit.intercept, fit.r2],
                &serde_json::json!([theirs["intercept"], theirs["r2"]]),
            );
        }
    }
    if !case["attention"].is_null() {
        let attention = explained.attention.as_ref().expect("attention");
        let kind = attention.kind.name();
        errors.note(kind, &attention.weights, &case["attention"]["weights"]);
    }
    if let Some(golden) = case["evaluation"].as_object() {
        let ours = explained.evaluation.as_ref().expect("an evaluation");
        for (method, measures) in golden {
            let (_, values) = ours.of_methods.iter().find(|(name, _)| name == method).unwrap();
            for (measure, theirs) in measures.as_object().unwrap() {
                let value = values.iter().find(|(name, _)| name == measure).map(|(_, v)| v);
                let Some(Measured::Number(ours)) = value else { panic!("no {measure}") };
                errors.worsen("measures", (ours - theirs.as_f64().unwrap()).abs());
            }
        }
    }
}

async fn errors_of(folder: &str, golden: &Value, placement: &Placement) -> Errors {
    let model = load(Source::Directory(golden_folder(folder)), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&golden["cases"]) {
        let body = case["request"].to_string();
        let question = http::question(&explainer, body.as_bytes()).expect("a question");
        let explained = explain(&explainer, question).await;
        let words: Vec<_> = explained.words.iter().map(|word| word.tokens.clone()).collect();
        let theirs: Vec<Vec<usize>> = list(&case["words"]).iter().map(super::integers).collect();
        assert_eq!(words, theirs, "{body}");
        compare(&explained, case, &mut errors);
    }
    errors
}

#[tokio::test]
async fn methods_equal_their_reference_implementations() {
    let names = folders_with("methods.json");
    assert!(names.len() > 10, "too few golden values");
    let mut wrong = Vec::new();
    let (mut exact, mut single) = (Errors::default(), Errors::default());
    for name in &names {
        let golden = fs::read(golden_folder(name).join("methods.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).expect("JSON");
        for placement in placements(name == "bert-tiny") {
            let limit = limit(&placement);
            let worst = if limit < 1e-6 { &mut exact } else { &mut single };
            for (quantity, error) in errors_of(name, &golden, &placement).await.0 {
                if error > limit {
                    wrong.push(format!("{name} on {placement}: {quantity} is {error:e} off"));
                }
                worst.worsen(&quantity, error);
            }
        }
    }
    for (quantity, error) in &exact.0 {
        println!("| {quantity} | {error:.0e} | {:.0e} |", single.0[quantity]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(exact.0.len() > 14, "only {} kinds of numbers were compared", exact.0.len());
}
