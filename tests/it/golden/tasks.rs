//! Comparison of task options and input forms with transformers' pipelines:
//! tests/golden/*/tasks.json.

use std::fs;

use explaind::checkpoint::Source;
use explaind::explanation::{Explained, FoundAnswer, Predicted, Prediction};
use explaind::http;
use explaind::model::Placement;
use serde_json::{Value, json};

use super::answers::by_index;
use super::{
    Errors, answers, compare_tokens, explain, folders_with, integers, limit, list, placements,
};
use crate::support::{explainer, golden_folder, load};

fn compare(explained: &Explained, case: &Value, errors: &mut Errors) {
    compare_tokens(explained, case);
    match &explained.predicted {
        Predicted::Labels(predictions) if !case["labels"].is_null() => {
            compare_labels(explained, predictions, case, errors);
        }
        Predicted::Answer { answer, others, null_score, .. } => {
            let ours: Vec<&FoundAnswer> = std::iter::once(answer).chain(others).collect();
            compare_answers(&ours, case, errors);
            let handled = case["request"]["handle_impossible_answer"] == true;
            assert_eq!(null_score.is_some(), handled);
            if let Some(null_score) = null_score {
                errors.note("null_score", &[*null_score], &case["null_score"]);
            }
        }
        Predicted::Labels(predictions) => {
            let (logits, probabilities) = by_index(predictions);
            errors.note("logits", &logits, &case["logits"]);
            errors.note("probabilities", &probabilities, &case["probabilities"]);
        }
        Predicted::Tokens { predictions, .. } => {
            let (logits, probabilities): (Vec<_>, Vec<_>) =
                predictions.iter().map(|list| by_index(list)).unzip();
            errors.note("logits", &logits.concat(), &case["logits"]);
            errors.note("probabilities", &probabilities.concat(), &case["probabilities"]);
        }
        other => panic!("{other:?}"),
    }
    if let Some(words) = case["words"].as_array() {
        let ours: Vec<Vec<usize>> =
            explained.words.iter().map(|word| vec![word.start, word.end]).collect();
        assert_eq!(ours, words.iter().map(integers).collect::<Vec<_>>());
        let ours: Vec<Value> = explained.tokens.iter().map(|token| json!(token.word)).collect();
        assert_eq!(Value::from(ours), case["of_word"]);
    }
}

fn compare_labels(explained: &Explained, ours: &[Prediction], case: &Value, errors: &mut Errors) {
    let labels: Vec<&str> = ours.iter().map(|prediction| prediction.label.as_str()).collect();
    assert_eq!(json!(labels), case["labels"]);
    let numbers = |of: fn(&Prediction) -> f64| ours.iter().map(of).collect::<Vec<_>>();
    errors.note("probabilities", &numbers(|p| p.probability), &case["probabilities"]);
    errors.note("logits", &numbers(|p| p.logit), &case["logits"]);
    let theirs = list(&case["explanations"]);
    assert_eq!(explained.explanations.len(), theirs.len());
    for (ours, theirs) in explained.explanations.iter().zip(theirs) {
        errors.note(ours.method.name, &ours.scores[0].1, theirs);
        errors.note("values", &[ours.output_value], &case["output_value"]);
        if let Some(c) = ours.completeness {
            let sum: f64 = ours.scores[0].1.iter().sum();
            let gap = sum - (ours.output_value - c.baseline_value) - c.convergence_delta;
            assert!(gap.abs() < 1e-9, "{gap}");
        }
    }
}

fn compare_answers(ours: &[&FoundAnswer], case: &Value, errors: &mut Errors) {
    let theirs = list(&case["answers"]);
    assert_eq!(ours.len(), theirs.len(), "{}", case["request"]);
    for (ours, theirs) in ours.iter().zip(theirs) {
        let shown = json!({
            "text": ours.text, "start": ours.start, "end": ours.end, "score": theirs["score"],
            "start_token": ours.start_token, "end_token": ours.end_token,
        });
        assert_eq!(&shown, theirs, "{}", case["request"]);
        errors.note("answers", &[ours.probability], &theirs["score"]);
    }
}

async fn errors_of(folder: &str, golden: &Value, placement: &Placement) -> Errors {
    let model = load(Source::Directory(golden_folder(folder)), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&golden["cases"]) {
        let body = case["request"].to_string();
        let question = http::question(&explainer, body.as_bytes()).expect("a question");
        let input = question.inputs[0].clone();
        let explained = explain(&explainer, question).await;
        compare(&explained, case, &mut errors);
        answers::compare_entities(&explainer, &model, &input, case, &mut errors).await;
    }
    errors
}

#[tokio::test]
async fn tasks_equal_the_pipelines() {
    let names = folders_with("tasks.json");
    assert!(names.len() > 7, "too few golden values");
    for name in &names {
        let golden = fs::read(golden_folder(name).join("tasks.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).expect("JSON");
        for placement in placements(false) {
            let limit = limit(&placement);
            for (quantity, error) in errors_of(name, &golden, &placement).await.0 {
                println!("{name} on {placement}: {quantity} {error:.0e}");
                assert!(error <= limit, "{name} on {placement}: {quantity} is {error:e} off");
            }
        }
    }
}
