//! Comparison of pairs of words with shapiq's exact interactions, and with second differences
//! computed by transformers: tests/golden/*/interactions.json.

use std::fs;

use explaind::attribution::Pairs;
use explaind::checkpoint::Source;
use explaind::explanation::{Class, Explained, Explanation, Question, Target};
use explaind::model::Placement;
use serde_json::{Value, json};

use super::{Errors, explain, folders_with, limit, list, numbers, placements};
use crate::support::{explainer, golden_folder, input, load, method, question};

async fn errors_of(folder: &str, case: &Value, placement: &Placement) -> Errors {
    let model = load(Source::Directory(golden_folder(folder)), placement);
    let name = if case["pairs"].is_array() { "shapley_interactions" } else { "pair_interactions" };
    let text = input(case["text"].as_str().expect("a text"), case["text_pair"].as_str());
    let target = match case["token"].is_array() {
        true => Target::Class { token: None, class: Class::Index(0) },
        false => Target::Predicted,
    };
    let methods = vec![method(name, &json!({}))];
    let asked = Question { methods, target, ..question(&model, vec![text]) };
    let explained = explain(&explainer(&model), asked).await;
    let mut errors = Errors::default();
    for one in &explained.explanations {
        note(&mut errors, &explained, one, case);
    }
    errors
}

fn note(errors: &mut Errors, explained: &Explained, one: &Explanation, case: &Value) {
    let found = &one.interactions.as_ref().expect("interactions").pairs;
    match (found, &case["pairs"]) {
        (Pairs::Ranked(pairs), Value::Array(expected)) => {
            assert_eq!(pairs.len(), expected.len());
            assert!(pairs.is_sorted_by(|a, b| a.score.abs() >= b.score.abs()));
            assert!(pairs.iter().all(|pair| pair.standard_error == 0.));
            let score = |expected: &Value| {
                let [i, j] = [0, 1].map(|k| expected[k].as_u64().expect("a word") as usize);
                pairs.iter().find(|pair| pair.units == [i, j]).expect("the pair").score
            };
            let ours: Vec<f64> = expected.iter().map(score).collect();
            let theirs = expected.iter().map(|pair| pair[2].clone()).collect();
            errors.note("pairs", &ours, &Value::Array(theirs));
        }
        (Pairs::Between { units, scores }, _) => {
            let words = |segment| {
                let words = explained.words.iter().enumerate();
                let own = words.filter(move |(_, word)| word.segment == segment);
                own.map(|(index, _)| index).collect::<Vec<_>>()
            };
            assert_eq!(*units, [words(0), words(1)]);
            assert_eq!(scores.concat().len(), numbers(&case["scores"]).len());
            errors.note("pairs", &scores.concat(), &case["scores"]);
        }
        _ => panic!("other pairs"),
    }
    if case["token"].is_array() {
        errors.note("scores", &one.scores[0].1, &case["token"]);
    }
}

#[tokio::test]
async fn interactions_equal_the_reference() {
    let names = folders_with("interactions.json");
    assert!(names.len() >= 13, "too few golden values");
    let mut wrong = Vec::new();
    for name in &names {
        let golden = fs::read(golden_folder(name).join("interactions.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).expect("JSON");
        for placement in placements(name == "bert-tiny") {
            for case in list(&golden["cases"]) {
                let errors = errors_of(name, case, &placement).await;
                for (kind, error) in errors.0 {
                    println!("{name} on {placement}: {kind} {error:.0e}");
                    if error > limit(&placement) {
                        wrong.push(format!("{name} on {placement}: {kind} is {error:e} off"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
