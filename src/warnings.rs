//! Warnings that a reader should see before trusting an answer, in plain words.

use crate::attribution::PairsOf;
use crate::evaluation::Warning;
use crate::evaluation::agreement::comparable;
use crate::evaluation::statistics::spearman;
use crate::explanation::{Explanation, Predicted};
use crate::heads::activation::OutputActivation;

/// Difference in probability below which the model is nearly indifferent.
const INDIFFERENT: f64 = 0.1;

/// Share of the explained scalar below which scores are about zero.
const NOTHING: f64 = 1e-3;

/// Rank correlation below which methods disagree.
const DISAGREE: f64 = 0.2;

/// Minimum number of words for a meaningful ranking.
const FEW: usize = 4;

/// Coefficient of determination below which a surrogate fits poorly.
const POOR_FIT: f64 = 0.5;

/// Share of the coefficients of a surrogate above which the penalty decides.
const SHRUNK: f64 = 0.25;

/// Returns the warnings for an answer of a model whose outputs go through `activation`. `words` are
/// the scores of the words, per explanation.
pub fn of(
    activation: OutputActivation,
    predicted: &Predicted,
    explanations: &[Explanation],
    words: &[Vec<f64>],
) -> Vec<Warning> {
    let single = explanations.iter().zip(words).flat_map(|(one, words)| of_one(one, words));
    indifferent(activation, predicted)
        .into_iter()
        .chain(single)
        .chain(disagreement(explanations, words))
        .collect()
}

/// Compares the two best labels, or a single label with its opposite.
fn indifferent(activation: OutputActivation, predicted: &Predicted) -> Option<Warning> {
    let Predicted::Labels(labels) = predicted else { return None };
    let gap = match (activation, labels.as_slice()) {
        (OutputActivation::Sigmoid, [only]) => 2. * (only.probability - 0.5).abs(),
        (OutputActivation::Softmax, [first, second, ..]) => first.probability - second.probability,
        _ => return None,
    };
    let detail = "the model is nearly indifferent between its answers; a single changed word may \
                  change the explanation";
    (gap < INDIFFERENT).then(|| Warning { code: "nearly_indifferent", detail: detail.to_owned() })
}

fn of_one(one: &Explanation, words: &[f64]) -> Vec<Warning> {
    let name = one.method.name;
    let of_pairs = one.interactions.as_ref().map_or(0., |found| found.pairs.largest());
    let largest = words.iter().fold(of_pairs, |max: f64, score| max.max(score.abs()));
    let mut warnings = Vec::new();
    let mut warn = |code, detail: String| warnings.push(Warning { code, detail });
    if largest < NOTHING * one.output_value.abs().max(NOTHING) {
        warn(
            "scores_near_zero",
            format!(
                "all scores of {name} are about zero: it finds nothing that moves the model. This \
                 happens with output probability if the answer is saturated; output logit avoids it"
            ),
        );
    }
    if one.converged() == Some(false) {
        let detail = match one.sampling {
            Some(_) => format!("the standard errors of {name} are above the tolerance"),
            None => {
                format!("the scores of {name} do not add up to what they explain within tolerance")
            }
        };
        warn("not_converged", detail);
    }
    if let Some(sampling) = one.sampling {
        if !sampling.finished {
            let n = sampling.n_samples;
            warn("stopped_early", format!("{name} ran out of time after {n} samples"));
        }
        if let Some(fit) = sampling.fit.filter(|fit| fit.r2 < POOR_FIT) {
            let share = 100. * fit.r2.max(0.);
            warn(
                "poor_fit",
                format!(
                    "the linear model of {name} explains {share:.0} % of what it was fitted to"
                ),
            );
        } else if let Some(fit) = sampling.fit.filter(|fit| fit.shrinkage > SHRUNK) {
            let share = 100. * fit.shrinkage;
            warn(
                "poor_fit",
                format!(
                    "the penalty of {name} takes away {share:.0} % of its coefficients; a lower \
                     alpha or a larger kernel_width leaves more of them"
                ),
            );
        }
    }
    warnings
}

/// Compares the methods of the first target.
fn disagreement(explanations: &[Explanation], words: &[Vec<f64>]) -> Option<Warning> {
    let first = explanations.first()?;
    let same: Vec<(&Explanation, &Vec<f64>)> = explanations
        .iter()
        .zip(words)
        .filter(|(one, words)| one.target == first.target && words.len() >= FEW)
        // Main effects without the interactions differ by design.
        .filter(|(one, _)| !matches!(one.method.pairs, PairsOf::AllUnits { .. }))
        .collect();
    let mut worst: Option<(f64, String)> = None;
    for (b, (two, of_two)) in same.iter().enumerate() {
        for (one, of_one) in &same[..b] {
            let signed = one.method.signed && two.method.signed;
            let correlation = spearman(&comparable(of_one, signed), &comparable(of_two, signed));
            if let Some(correlation) = correlation.filter(|correlation| *correlation < DISAGREE) {
                let pair = format!("{} and {}", one.method.name, two.method.name);
                if worst.as_ref().is_none_or(|(lowest, _)| correlation < *lowest) {
                    worst = Some((correlation, pair));
                }
            }
        }
    }
    let (correlation, pair) = worst?;
    Some(Warning {
        code: "methods_disagree",
        detail: format!(
            "methods disagree strongly: the rank correlation of {pair} over the words is \
             {correlation:+.2}"
        ),
    })
}
