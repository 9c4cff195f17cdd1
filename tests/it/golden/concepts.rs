//! Concepts: comparison with scikit-learn and numpy (tests/golden/concepts.json), and of states and
//! derivatives of every architecture with whole states and with finite differences.

use std::fs;
use std::ops::Range;
use std::sync::Arc;

use explaind::checkpoint::Source;
use explaind::concepts::{Measured, learn};
use explaind::model::{Model, Placement};
use explaind::random::Generator;
use explaind::rows::{Baseline, Ends, Layer, Means, Output, Path, Row, Scalar, Want, dot};
use explaind::text::tokenizer::Truncate;
use serde_json::Value;

use super::{list, numbers};
use crate::support::{golden_folder, input, load, relative_error};

fn rows(value: &Value) -> Vec<Vec<f64>> {
    list(value).iter().map(numbers).collect()
}

#[test]
fn concepts_equal_those_of_scikit_learn() {
    let golden = fs::read(golden_folder("concepts.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    for case in list(&golden["cases"]) {
        let concept: Vec<bool> =
            list(&case["concept"]).iter().map(|own| own.as_bool().unwrap()).collect();
        let layers = list(&case["layers"]);
        let measured: Vec<Measured> = layers
            .iter()
            .map(|layer| Measured {
                states: rows(&layer["states"]),
                gradients: rows(&layer["gradients"]),
            })
            .collect();
        let learned = learn(&measured, &concept, case["seed"].as_u64().unwrap());
        for ((ours, directions), theirs) in
            learned.layers.iter().zip(&learned.directions).zip(layers)
        {
            let kinds = [("mean_difference", ours.mean_difference), ("logistic", ours.logistic)];
            for ((name, separation), direction) in kinds.into_iter().zip(directions) {
                let theirs = &theirs[name];
                let error = relative_error(direction, &numbers(&theirs["direction"]));
                assert!(error < 1e-6, "{name}: the direction is {error:e} off");
                assert_eq!(separation.hits, theirs["hits"].as_u64().unwrap() as usize, "{name}");
                assert!((separation.auc - theirs["auc"].as_f64().unwrap()).abs() < 1e-12, "{name}");
            }
            for (what, ours) in [
                ("score", ours.tcav.score),
                ("sensitivity", ours.tcav.sensitivity),
                ("p_value", ours.tcav.p_value),
            ] {
                let theirs = theirs["tcav"][what].as_f64().unwrap();
                assert!((ours - theirs).abs() < 1e-9, "{what}: {ours} and {theirs}");
            }
        }
    }
}

/// The first golden text of a folder, and a scalar of its outputs.
fn row(folder: &str, model: &Model, want: impl FnOnce(Scalar) -> Want) -> Row {
    let golden = fs::read(golden_folder(folder).join("golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let case = &golden["cases"][0];
    let text = input(case["text"].as_str().unwrap(), case["text_pair"].as_str());
    let encoding = model.encode(&text, Truncate::No).unwrap();
    let per_token = *model.pooling() == explaind::blocks::Pooling::Tokens;
    let reads: &[usize] = if per_token { &[1] } else { &[] };
    let scalar = Scalar::one(Output::Logit, 0);
    Row { want: want(scalar), ..Row::forward(encoding.ids, reads.into()) }
}

fn means(layers: &Range<usize>, scalar: Scalar) -> Want {
    Want::Means(Means { layers: layers.clone(), weights: None, scalar: Some(scalar) })
}

fn run(model: &Model, row: Row) -> explaind::rows::RowOutput {
    model.run(&[row]).expect("a pass").remove(0)
}

const FOLDERS: [&str; 13] = [
    "albert-sequence",
    "bert-embed",
    "bert-mlm",
    "bert-qa",
    "bert-tiny",
    "bert-tokens",
    "camembert-sequence",
    "deberta-conv-sequence",
    "deberta-v3-sequence",
    "distilbert-sequence",
    "electra-sequence",
    "modernbert-mean-sequence",
    "mpnet-sequence",
];

#[test]
fn means_equal_whole_states_and_derivatives_equal_finite_differences() {
    let placement = Placement::reference().unwrap();
    for folder in FOLDERS {
        let model = load(Source::Directory(golden_folder(folder)), &placement);
        let layers = 1..model.layers() + 1;
        let means = run(&model, row(folder, &model, |s| means(&layers, s)));
        let whole = run(&model, row(folder, &model, |_| Want::Layers(layers.clone(), None)));
        let value = run(&model, row(folder, &model, |scalar| Want::Values(vec![scalar])));
        let difference = (means.values[0] - value.values[0]).abs();
        assert!(difference < 1e-12, "{folder}: the values differ by {difference}");
        assert_eq!(means.layers.len(), model.layers());
        let mut generator = Generator::stream(5, 0);
        for (layer, (mean, all)) in layers.zip(means.layers.iter().zip(&whole.layers)) {
            let width = model.width();
            let sum =
                |numbers: &[f64], k: usize| numbers.iter().skip(k).step_by(width).sum::<f64>();
            let tokens = (all.states.len() / width) as f64;
            let states: Vec<f64> = (0..width).map(|k| sum(&all.states, k) / tokens).collect();
            assert!(relative_error(&mean.states, &states) < 1e-12, "{folder}, layer {layer}");
            let step: Vec<f64> = (0..width).map(|_| generator.normal()).collect();
            let moved = |share: f64| {
                let shifted: Vec<f64> = all
                    .states
                    .chunks(width)
                    .flat_map(|state| {
                        state.iter().zip(&step).map(|(x, step)| x + step).collect::<Vec<_>>()
                    })
                    .collect();
                let ends = Ends { input: shifted, baseline: all.states.clone() };
                let baseline = Baseline::States(Arc::new(ends));
                let path = Some(Path { baseline, alpha: share, noise: None, held: 0 });
                let row = row(folder, &model, |scalar| Want::Values(vec![scalar]));
                run(&model, Row { layer: Layer::Hidden(layer), path, ..row }).values[0]
            };
            // A short step is unlikely to cross a kink of ReLU.
            let h = if model.is_smooth() { 1e-3 } else { 3e-6 };
            let measured =
                (8. * (moved(h) - moved(-h)) - (moved(2. * h) - moved(-2. * h))) / (12. * h);
            let derivative = dot(&mean.gradient, &step);
            let size = derivative.abs().max(1e-3);
            let gap = (derivative - measured).abs() / size;
            assert!(gap < 1e-6, "{folder}, layer {layer}: {derivative} and {measured}");
        }
    }
}

#[test]
fn means_can_be_weighted_and_need_no_scalar() {
    let placement = Placement::reference().unwrap();
    for folder in FOLDERS {
        let model = load(Source::Directory(golden_folder(folder)), &placement);
        let (layers, width) = (1..model.layers() + 1, model.width());
        let whole = run(&model, row(folder, &model, |_| Want::Layers(layers.clone(), None)));
        let tokens = whole.layers[0].states.len() / width;
        let weights: Arc<[f64]> = (0..tokens).map(|token| 0.1 * (1 + token) as f64).collect();
        let weighted = Means { layers, weights: Some(Arc::clone(&weights)), scalar: None };
        let found = run(&model, row(folder, &model, |_| Want::Means(weighted)));
        assert_eq!(found.layers.len(), model.layers());
        for (mean, all) in found.layers.iter().zip(&whole.layers) {
            let column = |k: usize| all.states.iter().skip(k).step_by(width);
            let sum = |k: usize| column(k).zip(&*weights).map(|(x, w)| x * w).sum();
            let expected: Vec<f64> = (0..width).map(sum).collect();
            assert!(relative_error(&mean.states, &expected) < 1e-12, "{folder}");
            assert!(mean.gradient.is_empty());
        }
    }
}

#[test]
fn what_shares_the_pass_does_not_change_means() {
    let model = load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let layers = 1..model.layers() + 1;
    let own = row("bert-tiny", &model, |scalar| means(&layers, scalar));
    let other = row("bert-tiny", &model, |scalar| Want::Layers(layers.clone(), Some(scalar)));
    let plain = Row { want: Want::Outputs, ..own.clone() };
    let alone = run(&model, own.clone());
    let together = model.run(&[plain, own, other]).unwrap();
    assert_eq!(together[1].layers, alone.layers);
}
