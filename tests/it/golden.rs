//! Parity with transformers + Captum on committed checkpoints; the values were
//! made in float64 by tests/golden/make.py.

use std::collections::BTreeMap;
use std::fs;

use candle_core::{DType, Device};
use explaind::attribution::Granularity;
use explaind::backend::cpu::Isa;
use explaind::checkpoint::Source;
use explaind::explainer::Explainer;
use explaind::explanation::{Class, Explained, Question, Target};
use explaind::model::Placement;
use explaind::rows::Output;
use serde_json::Value;

use crate::support::{explainer, golden_folder, input, load, method, question, relative_error};

/// The largest relative error by what was compared.
type Errors = BTreeMap<String, f64>;

fn note(errors: &mut Errors, what: &str, ours: &[f64], theirs: &Value) {
    let error = relative_error(ours, &numbers(theirs));
    let worst = errors.entry(what.to_owned()).or_default();
    *worst = worst.max(error);
}

/// Numbers nested to any depth, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

fn integers(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|number| number as usize).collect()
}

async fn explain(explainer: &Explainer, question: Question) -> Explained {
    let mut answer = explainer.explain(question).await.expect("an answer");
    answer.results.pop().expect("one result").1.expect("no error")
}

fn compare_tokens(explained: &Explained, case: &Value) {
    let ids: Vec<usize> = explained.tokens.iter().map(|token| token.id as usize).collect();
    assert_eq!(ids, integers(&case["input_ids"]));
    let offsets: Vec<usize> =
        explained.tokens.iter().flat_map(|token| [token.start, token.end]).collect();
    assert_eq!(offsets, integers(&case["offsets"]));
    for (token, theirs) in explained.tokens.iter().zip(case["tokens"].as_array().unwrap()) {
        assert_eq!(token.text, theirs.as_str().unwrap());
    }
}

fn compare_prediction(explained: &Explained, case: &Value, errors: &mut Errors) {
    let mut predictions = explained.predictions.clone();
    predictions.sort_by_key(|prediction| prediction.index);
    let logits: Vec<f64> = predictions.iter().map(|p| p.logit).collect();
    let probabilities: Vec<f64> = predictions.iter().map(|p| p.probability).collect();
    note(errors, "logits", &logits, &case["logits"]);
    note(errors, "probabilities", &probabilities, &case["probabilities"]);
    let attention = &explained.attention.as_ref().expect("attention").weights;
    note(errors, "attention", attention, &case["attentions"]);
}

fn target(value: &Value) -> Target {
    let index = |value: &Value| Class::Index(value.as_u64().unwrap() as usize);
    match &value["contrast"] {
        Value::Null => Target::Class(index(&value["index"])),
        pair => Target::Contrast(index(&pair[0]), index(&pair[1])),
    }
}

fn compare_explanation(explained: &Explained, golden: &Value, errors: &mut Errors) {
    let name = golden["method"].as_str().unwrap();
    let ours = &explained.explanations[0];
    let (unit, scores) = &ours.scores[0];
    assert_eq!(*unit, Granularity::Token);
    note(errors, name, scores, &golden["token"]);
    if let Some(completeness) = ours.completeness {
        let values = [ours.output_value, completeness.baseline_value];
        let theirs = Value::from(vec![
            golden["output_value"].as_f64().unwrap(),
            golden["baseline_value"].as_f64().unwrap(),
        ]);
        note(errors, "values", &values, &theirs);
        // A delta is a small difference of large sums: judge it by their size.
        let size = scores.iter().map(|score| score.abs()).sum::<f64>().max(values[0].abs());
        let gap = completeness.convergence_delta - golden["convergence_delta"].as_f64().unwrap();
        let worst = errors.entry("delta".to_owned()).or_default();
        *worst = worst.max(gap.abs() / size);
    }
}

/// Every case of one checkpoint on one back end.
async fn errors_of(folder: &str, placement: &Placement) -> Errors {
    let folder = golden_folder(folder);
    let golden = fs::read(folder.join("golden.json")).expect("golden.json");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let model = load(Source::Directory(folder), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::new();
    for case in golden["cases"].as_array().unwrap() {
        let text = input(case["text"].as_str().unwrap(), case["text_pair"].as_str());
        let explained = explain(&explainer, question(&model, vec![text.clone()])).await;
        compare_tokens(&explained, case);
        compare_prediction(&explained, case, &mut errors);
        for golden in case["explanations"].as_array().unwrap() {
            let asked = Question {
                target: target(&golden["target"]),
                output: match golden["output"].as_str().unwrap() {
                    "probability" => Output::Probability,
                    _ => Output::Logit,
                },
                methods: vec![method(golden["method"].as_str().unwrap(), &golden["options"])],
                ..question(&model, vec![text.clone()])
            };
            let explained = explain(&explainer, asked).await;
            compare_explanation(&explained, golden, &mut errors);
        }
    }
    errors
}

/// The largest relative error allowed. Captum rounds the steps of its
/// quadratures to float32 even in a float64 model, so integrals agree no better
/// than that.
fn limit(what: &str, placement: &Placement) -> f64 {
    match (placement, what) {
        (Placement::Candle { dtype: DType::F64, .. }, "integrated_gradients" | "delta") => 1e-6,
        (Placement::Candle { dtype: DType::F64, .. }, _) => 1e-9,
        _ => 1e-4,
    }
}

/// Every back end, and every path of the one that serves.
fn placements() -> Vec<Placement> {
    let candle = |dtype| Placement::Candle { dtype, device: Device::Cpu };
    let mut placements = vec![candle(DType::F64), candle(DType::F32)];
    placements.extend(Isa::available().into_iter().map(Placement::Cpu));
    placements
}

async fn check(folder: &str) {
    for placement in placements() {
        let errors = errors_of(folder, &placement).await;
        println!("{folder} {placement} {errors:#?}");
        for (what, error) in errors {
            let limit = limit(&what, &placement);
            assert!(error <= limit, "{folder} on {placement}: {what} is {error:e} off");
        }
    }
}

#[tokio::test]
async fn bert_single_label() {
    check("bert-tiny").await;
}

#[tokio::test]
async fn bert_multi_label() {
    check("bert-tiny-multi-label").await;
}

#[tokio::test]
async fn bert_regression() {
    check("bert-tiny-regression").await;
}
