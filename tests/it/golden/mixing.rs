//! Comparison of the measures of mixing with their papers' formulas, computed with the modules of
//! transformers: tests/golden/*/mixing.json.

use std::fs;

use explaind::checkpoint::Source;
use explaind::choice::Choice as _;
use explaind::explanation::{AttentionKind, Heads};
use explaind::model::Placement;
use serde_json::Value;

use super::{Errors, explain, folders_with, limit, list, placements};
use crate::support::{explainer, golden_folder, input, load, question};

const KINDS: [AttentionKind; 3] =
    [AttentionKind::BlockNorm, AttentionKind::Alti, AttentionKind::ValueZeroing];

async fn errors_of(folder: &str, golden: &Value, placement: &Placement) -> Errors {
    let model = load(Source::Directory(golden_folder(folder)), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&golden["cases"]) {
        for kind in KINDS {
            let text = input(case["text"].as_str().expect("a text"), case["text_pair"].as_str());
            let mut asked = question(&model, vec![text]);
            let attention = asked.attention.as_mut().expect("attention");
            (attention.kind, attention.heads) = (kind, Heads::Mean);
            let attention = explain(&explainer, asked).await.attention.expect("attention");
            assert_eq!(attention.layers.len(), model.layers());
            errors.note(kind.name(), &attention.weights, &case[kind.name()]);
        }
    }
    errors
}

#[tokio::test]
async fn mixing_equals_the_formulas() {
    let names = folders_with("mixing.json");
    assert!(names.len() >= 8, "too few golden values");
    let mut wrong = Vec::new();
    for name in &names {
        let golden = fs::read(golden_folder(name).join("mixing.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).expect("JSON");
        for placement in placements(name == "bert-tiny") {
            let errors = errors_of(name, &golden, &placement).await;
            assert_eq!(errors.0.len(), KINDS.len());
            for (kind, error) in errors.0 {
                println!("{name} on {placement}: {kind} {error:.0e}");
                if error > limit(&placement) {
                    wrong.push(format!("{name} on {placement}: {kind} is {error:e} off"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
