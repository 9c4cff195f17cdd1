//! Methods that sample, against the values of all combinations.

use std::collections::BTreeMap;
use std::sync::Arc;

use explaind::attribution::PairScore;
use explaind::explanation::{Explanation, Question};
use explaind::model::Model;
use serde_json::{Value, json};

use crate::methods::{builtin, explain, relative_l2};
use crate::support::{input, method, question};

/// Returns the scores of the words, their standard errors, and the explanation itself.
async fn sampled(
    model: &Arc<Model>,
    text: &str,
    name: &str,
    options: Value,
    seed: u64,
) -> (Vec<f64>, Vec<f64>, Explanation) {
    let methods = vec![method(name, &options)];
    let question = Question { methods, seed, ..question(model, vec![input(text, None)]) };
    let one = explain(model, question).await.remove(0).explanations.remove(0);
    let errors = one.standard_error.as_ref().expect("standard errors")[1].1.clone();
    (one.scores[1].1.clone(), errors, one)
}

const TEN_WORDS: &str = "The cast is great but the plot is not.";

/// Sampled Shapley values against those of all coalitions, on a trained model.
#[tokio::test]
async fn shapley_values_are_within_their_standard_errors() {
    let model = builtin();
    let all = json!({"max_evals": 1024, "tolerance": 0});
    let (exact, errors, one) = sampled(&model, TEN_WORDS, "kernel_shap", all.clone(), 0).await;
    let sampling = one.sampling.unwrap();
    assert_eq!((sampling.n_samples, sampling.finished, sampling.converged), (1024, true, true));
    assert!(errors.iter().all(|error| *error == 0.));
    let (other, ..) = sampled(&model, TEN_WORDS, "partition_shap", all, 0).await;
    assert!(relative_l2(&exact, &other) < 1e-12);
    let (mut covered, mut runs) = (0, 0);
    for seed in 0..20 {
        let some = json!({"max_evals": 80, "tolerance": 0});
        let (scores, errors, one) = sampled(&model, TEN_WORDS, "kernel_shap", some, seed).await;
        let sampling = one.sampling.unwrap();
        assert_eq!((sampling.n_samples, sampling.finished), (78, true));
        for ((score, error), exact) in scores.iter().zip(&errors).zip(&exact) {
            covered += usize::from((score - exact).abs() <= 2. * error);
            runs += 1;
        }
        let off = relative_l2(&scores, &exact);
        assert!(off < 0.5, "{off}");
    }
    let share = covered as f64 / runs as f64;
    assert!((0.88..=0.995).contains(&share), "{share} of {runs}");
}

/// Sampled interactions and main effects against those of all coalitions, on a trained model.
#[tokio::test]
async fn interactions_are_within_their_standard_errors() {
    let model = builtin();
    let name = "shapley_interactions";
    let all = json!({"max_evals": 1024, "tolerance": 0});
    let (exact, _, one) = sampled(&model, TEN_WORDS, name, all, 0).await;
    assert_eq!(one.sampling.unwrap().n_samples, 1024);
    let exact_pairs = by_units(&one);
    assert_eq!(exact_pairs.len(), 45);
    let sum = |scores: &[f64], pairs: &BTreeMap<[usize; 2], PairScore>| {
        scores.iter().sum::<f64>() + pairs.values().map(|pair| pair.score).sum::<f64>()
    };
    let change = one.output_value - one.completeness.unwrap().baseline_value;
    let (mut covered, mut runs, mut total) = (0, 0, vec![0.; 45]);
    for seed in 0..20 {
        let some = json!({"max_evals": 300, "tolerance": 0});
        let (scores, errors, one) = sampled(&model, TEN_WORDS, name, some, seed).await;
        assert_eq!(one.sampling.unwrap().n_samples, 298);
        let pairs = by_units(&one);
        assert!((sum(&scores, &pairs) - change).abs() < 1e-9, "main effects and pairs add up");
        for (units, exact) in &exact_pairs {
            let PairScore { score, standard_error, .. } = pairs[units];
            covered += usize::from((score - exact.score).abs() <= 2. * standard_error);
            runs += 1;
        }
        for ((score, error), exact) in scores.iter().zip(&errors).zip(&exact) {
            covered += usize::from((score - exact).abs() <= 2. * error);
            runs += 1;
        }
        total.iter_mut().zip(pairs.values()).for_each(|(sum, pair)| *sum += pair.score / 20.);
    }
    let share = covered as f64 / runs as f64;
    assert!((0.88..=0.995).contains(&share), "{share} of {runs}");
    let exact: Vec<f64> = exact_pairs.values().map(|pair| pair.score).collect();
    let off = relative_l2(&total, &exact);
    assert!(off < 0.15, "the mean of 20 runs is {off} off");
}

fn by_units(one: &Explanation) -> BTreeMap<[usize; 2], PairScore> {
    let interactions = one.interactions.as_ref().expect("interactions");
    interactions.pairs.ranked().iter().map(|pair| (pair.units, *pair)).collect()
}

#[tokio::test]
async fn sampling_ends_at_the_tolerance() {
    let model = builtin();
    let mut before = 0;
    for tolerance in [0.5, 0.2, 0.1] {
        let options = json!({"max_evals": 1_000, "tolerance": tolerance});
        let (scores, errors, one) = sampled(&model, TEN_WORDS, "kernel_shap", options, 3).await;
        let sampling = one.sampling.unwrap();
        let norm = |list: &[f64]| list.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(norm(&errors) <= tolerance * norm(&scores), "{tolerance}");
        assert!(sampling.converged && sampling.finished && one.converged() == Some(true));
        assert!(before <= sampling.n_samples && sampling.n_samples < 1_000);
        before = sampling.n_samples;
    }
    assert!(before > 16, "the first round was enough");
    let options = json!({"max_evals": 20, "tolerance": 0.01});
    let (_, _, one) = sampled(&model, TEN_WORDS, "kernel_shap", options, 3).await;
    assert_eq!(one.converged(), Some(false));
    assert!(one.sampling.unwrap().finished);
}

/// With few evaluations, no word gets the rest of the sum.
#[tokio::test]
async fn few_evaluations_favour_no_position() {
    let model = builtin();
    let text =
        "The film was long and the plot was thin, but the cast was good and the end was fine.";
    let mut means = vec![0.; 21];
    for seed in 0..40 {
        let options = json!({"max_evals": 24, "tolerance": 0});
        let (scores, ..) = sampled(&model, text, "kernel_shap", options, seed).await;
        means.iter_mut().zip(scores).for_each(|(mean, score)| *mean += score / 40.);
    }
    let options = json!({"max_evals": 2_000, "tolerance": 0});
    let (exact, ..) = sampled(&model, text, "kernel_shap", options, 0).await;
    assert_eq!(exact.len(), means.len());
    assert!(relative_l2(&means, &exact) < 0.5, "{means:?} {exact:?}");
}

/// LIME of a few units uses all combinations, so that no seed matters, and says where its penalty
/// decides.
#[tokio::test]
async fn lime_is_exact_for_few_units() {
    let model = builtin();
    let (first, errors, one) = sampled(&model, "Great!", "lime", json!({}), 0).await;
    let (second, ..) = sampled(&model, "Great!", "lime", json!({}), 9).await;
    assert_eq!((&first, errors), (&second, vec![0., 0.]));
    assert_eq!(one.sampling.unwrap().n_samples, 4);
    let question = Question {
        methods: vec![method("lime", &json!({}))],
        ..question(&model, vec![input("Great!", None)])
    };
    let explained = explain(&model, question).await.remove(0);
    assert!(explained.warnings.iter().any(|warning| warning.code == "poor_fit"));
    // Without a penalty, two words leave a line through nearly all values.
    let free = json!({"alpha": 0, "kernel_width": 1000});
    let (scores, ..) = sampled(&model, "Great!", "lime", free, 0).await;
    let (exact, ..) = sampled(&model, "Great!", "kernel_shap", json!({}), 0).await;
    assert_eq!(scores[1].signum(), exact[1].signum());
}

#[tokio::test]
async fn equal_words_are_one_unit_of_lime() {
    let model = builtin();
    let text = "so good, so very good";
    let distinct = json!({"distinct_words": true, "replacement": "mask"});
    let (scores, errors, one) = sampled(&model, text, "lime", distinct, 0).await;
    assert_eq!(one.sampling.unwrap().n_samples, 1 << 4, "so, good, the comma, very");
    assert_eq!((scores[0], scores[1], scores.len()), (scores[3], scores[5], 6));
    assert_eq!(errors, vec![0.; 6]);
    let entry = explaind::attribution::find("lime").unwrap();
    let invalid = json!({"distinct_words": true, "unit": "token"});
    let error = entry.options(invalid.as_object().unwrap()).unwrap_err();
    assert_eq!(error.pointer.as_deref(), Some("/distinct_words"));
}
