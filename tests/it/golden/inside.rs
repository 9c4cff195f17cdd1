//! Comparison of the views inside the model, and of methods at a layer's output, with Captum and
//! autograd: tests/golden/*/inside.json.

use std::fs;
use std::sync::Arc;

use explaind::checkpoint::Source;
use explaind::choice::Choice as _;
use explaind::explanation::{Explained, Lens, Predicted, View};
use explaind::model::{Model, Placement};
use explaind::text::Input;
use serde_json::{Value, json};

use super::{Errors, answers, explain, folders_with, limit, list, numbers, placements, target};
use crate::support::{explainer, golden_folder, input, load, method, question};

/// The error of conductance, as a share of its norm per layer, if it has converged to a tolerance of
/// 5e-5. The rule, not the arithmetic, limits it.
const CONDUCTANCE_LIMIT: f64 = 1e-4;

fn text(case: &Value) -> Input {
    input(case["text"].as_str().expect("a text"), case["text_pair"].as_str())
}

fn compare_views(explained: &Explained, case: &Value, errors: &mut Errors) {
    let inside = explained.inside.as_ref().expect("views");
    let heads = inside.head_importance.as_ref().expect("head importance");
    errors.note("head importance", &heads.scores.concat(), &case["head_importance"]);
    let ablation = inside.ablation.as_ref().expect("an ablation");
    assert!(!ablation.heads.is_empty());
    for (head, change) in &ablation.heads {
        let off = case["without"][head.layer][head.head].as_f64().expect("a number");
        let expected = off - case["value"].as_f64().expect("a number");
        errors.worsen("without a head", (change - expected).abs() / off.abs().max(1.));
    }
    let conductance = inside.conductance.as_ref().expect("a conductance");
    println!(
        "{} {} steps {:?}; IG {:?}",
        conductance.converged,
        conductance.n_steps,
        conductance.deltas,
        explained.explanations.first().map(|e| e.completeness)
    );
    if !conductance.converged {
        errors.worsen("not converged", 0.);
        return;
    }
    for (ours, theirs) in conductance.tokens.iter().zip(list(&case["conductance"])) {
        let theirs = numbers(theirs);
        let gap: f64 = ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = theirs.iter().map(|score| score.powi(2)).sum();
        errors.worsen("conductance", (gap / size).sqrt());
    }
    let Some(Lens::Predictions { predictions, .. }) = &inside.lens else { panic!("no lens") };
    assert_eq!(predictions.len(), list(&case["lens"]).len());
    for (ours, theirs) in predictions.iter().zip(list(&case["lens"])) {
        compare_lens(ours, theirs, errors);
    }
}

fn compare_lens(ours: &Predicted, theirs: &Value, errors: &mut Errors) {
    match ours {
        Predicted::Labels(list) => {
            let (logits, probabilities) = answers::by_index(list);
            errors.note("lens", &logits, &theirs["logits"]);
            errors.note("lens", &probabilities, &theirs["probabilities"]);
        }
        Predicted::Tokens { predictions, .. } => {
            let logits: Vec<f64> =
                predictions.iter().flat_map(|list| answers::by_index(list).0).collect();
            errors.note("lens", &logits, &theirs["logits"]);
        }
        // The best pieces of each mask.
        Predicted::Masks(masks) => {
            for (mask, logits) in masks.iter().zip(list(&theirs["logits"])) {
                let logits = list(logits);
                for best in &mask.predictions {
                    let theirs = logits[best.index].as_f64().expect("a logit");
                    errors.worsen("lens", (best.logit - theirs).abs() / theirs.abs().max(1.));
                }
            }
        }
        Predicted::Answer { start, .. } => {
            for score in start {
                let theirs = list(&theirs["start_logits"])[score.token].as_f64().expect("a logit");
                errors.worsen("lens", (score.logit - theirs).abs() / theirs.abs().max(1.));
            }
        }
        Predicted::Similarity(_) => panic!("no lens of embeddings"),
    }
}

async fn compare_layers(model: &Arc<Model>, case: &Value, errors: &mut Errors) {
    let explainer = explainer(model);
    for layer in list(&case["at_layers"]) {
        let number = &layer["layer"];
        let mut asked = question(model, vec![text(case)]);
        asked.target = target(&case["target"]);
        asked.methods = vec![
            method(
                "integrated_gradients",
                // Those of make_inside.py.
                &json!({"layer": number, "baseline": "pad", "n_steps": 50}),
            ),
            method("input_x_gradient", &json!({"layer": number})),
            method("saliency", &json!({"layer": number})),
        ];
        let explained = explain(&explainer, asked).await;
        for one in &explained.explanations {
            let name = one.method.name;
            let (ours, theirs) = (&one.scores[0].1, numbers(&layer[name]));
            let gap = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
            let size = match name {
                "input_x_gradient" => layer["scale"].as_f64().expect("a scale"),
                _ => theirs.iter().map(|score| score.abs()).fold(0., f64::max),
            };
            errors.worsen(&format!("{name} at a layer"), gap / size);
        }
    }
}

async fn errors_of(folder: &str, golden: &Value, placement: &Placement) -> Errors {
    let model = load(Source::Directory(golden_folder(folder)), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&golden["cases"]) {
        let mut asked = question(&model, vec![text(case)]);
        asked.target = target(&case["target"]);
        asked.inside = View::ALL.to_vec();
        // Conductance is integrated as closely as integrated gradients.
        asked.methods =
            vec![method("integrated_gradients", &json!({"tolerance": 5e-5, "max_steps": 257}))];
        compare_views(&explain(&explainer, asked).await, case, &mut errors);
        compare_layers(&model, case, &mut errors).await;
    }
    errors
}

#[tokio::test]
async fn views_inside_equal_captum() {
    let names = folders_with("inside.json");
    assert!(names.len() >= 8, "too few golden values");
    let mut wrong = Vec::new();
    for name in &names {
        let golden = fs::read(golden_folder(name).join("inside.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).expect("JSON");
        for placement in placements(name == "bert-tiny") {
            let errors = errors_of(name, &golden, &placement).await;
            // The output of distilbert-sequence jumps on the path.
            let expected =
                if name == "distilbert-sequence" { "not converged" } else { "conductance" };
            assert!(errors.0.contains_key(expected), "{name}: the conductance did not converge");
            for (quantity, error) in errors.0 {
                let limit =
                    if quantity == "conductance" { CONDUCTANCE_LIMIT } else { limit(&placement) };
                println!("{name} on {placement}: {quantity} {error:.0e}");
                if error > limit {
                    wrong.push(format!("{name} on {placement}: {quantity} is {error:e} off"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
