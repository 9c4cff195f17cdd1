//! Shapley values if all coalitions can be run, otherwise Owen values over a tree of neighbouring
//! units; like the package shap's `Partition`.

use std::collections::HashSet;

use futures_util::FutureExt;

use super::owen::{Shares, Tree};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT};
use super::samples::{self, MAX_EVALS};
use super::{
    ALWAYS, AS_GIVEN, Attribution, Completeness, Cost, Extent, MethodEntry, Options, Sampling,
    Subject,
};
use crate::error::Result;
use crate::passes::Passes;
use crate::text::Encoding;

/// Nodes to expand per round, with two rows each. The first round is small, to measure the pace
/// early. The order of expansion does not depend on the time left.
const FIRST_ROUND: usize = 4;
const LARGEST_ROUND: usize = 32;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "partition_shap",
    summary: "Shapley values of the units, exact if there are at most max_evals coalitions; else \
              Owen values over sentences, clauses and halves of them, largest contributions first. \
              Scores always add up to the change from no units to the input.",
    paper: "Shapley 1953; Owen 1977; Lundberg & Lee 2017, arXiv:1705.07874",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows per target, or 2 to the number of units for all targets if \
                that is less",
    cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Assumes that targets share no coalitions, although shared ones are run only once.
fn cost(options: &Options, of: Extent) -> Cost {
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let forward_rows = match samples::evaluations(max_evals, of.tokens) {
        all if all < max_evals => all,
        max_evals => max_evals.saturating_mul(of.targets),
    };
    Cost { forward_rows, ..Cost::default() }
}

/// Uses all coalitions if the budget allows ([`shapley`]), otherwise a tree of the units
/// ([`owen`]).
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let units = perturbation.count();
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let empty = perturbation.values(passes, &[vec![false; units]]).await?.concat();
    let full = subject.values;
    let mut attributions = Vec::new();
    let mut previous: Vec<Vec<f64>> = Vec::new();
    let all = match units < 20 && 1 << units <= max_evals {
        true => all_coalitions(passes, &perturbation, full).await?,
        false => None,
    };
    for k in 0..full.len() {
        let (shares, n_samples, finished) = match &all {
            Some(all) => (shapley(units, |bits| all[bits][k]), all.len(), true),
            None => {
                let target = Target { k, empty: empty[k], full: full[k], previous: &previous };
                owen(passes, subject.encoding, &perturbation, target, max_evals).await?
            }
        };
        let scores = perturbation.units().spread(&shares);
        previous.push(scores.clone());
        let completeness = Completeness::of(&scores, full[k], empty[k], 1e-3);
        let sampling = Sampling { n_samples, finished, fit: None };
        attributions.push(Attribution {
            completeness: Some(completeness),
            sampling: Some(sampling),
            ..Attribution::plain(scores)
        });
    }
    Ok(attributions)
}

/// Returns the scalars of every coalition, in the order of [`mask`]'s numbers; `None` if there is
/// no time to run them all.
async fn all_coalitions(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    full: &[f64],
) -> Result<Option<Vec<Vec<f64>>>> {
    let units = perturbation.count();
    let partial: Vec<Mask> = (0..(1 << units) - 1).map(|bits| mask(bits, units)).collect();
    let mut values = Vec::with_capacity(partial.len() + 1);
    for round in partial.chunks(LARGEST_ROUND) {
        match perturbation.values_in_time(passes, round).await? {
            Some(round) => values.extend(round),
            None => return Ok(None),
        }
    }
    values.push(full.to_vec());
    Ok(Some(values))
}

/// Returns the coalition whose units are the set bits of `bits`.
fn mask(bits: usize, units: usize) -> Mask {
    (0..units).map(|unit| bits >> unit & 1 == 1).collect()
}

/// Returns `φ_u = Σ_S |S|! (n - |S| - 1)! / n! (v(S ∪ u) - v(S))` over all S without u.
fn shapley(units: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    // 1 / (n C(n - 1, s)), for coalitions of size s.
    let mut weights = vec![1. / units as f64; units];
    for size in 1..units {
        weights[size] = weights[size - 1] * size as f64 / (units - size) as f64;
    }
    let of_unit = |unit: usize| {
        let without = (0..1usize << units).filter(|bits| bits >> unit & 1 == 0);
        let gain = |bits: usize| {
            weights[bits.count_ones() as usize] * (value(bits | 1 << unit) - value(bits))
        };
        without.map(gain).sum()
    };
    (0..units).map(of_unit).collect()
}

/// The `k`-th scalar: its values without any units and with all, and the scores of the previous
/// scalars.
#[derive(Clone, Copy)]
struct Target<'a> {
    k: usize,
    empty: f64,
    full: f64,
    previous: &'a [Vec<f64>],
}

/// Returns one scalar's shares, the number of coalitions used, and whether time sufficed.
async fn owen(
    passes: &Passes,
    encoding: &Encoding,
    perturbation: &Perturbation<'_>,
    target: Target<'_>,
    max_evals: usize,
) -> Result<(Vec<f64>, usize, bool)> {
    let Target { k, empty, full, previous } = target;
    let units = perturbation.count();
    let tree = Tree::over(0..units, &borders(encoding, perturbation));
    let mut shares = Shares::new(&tree, empty, full);
    let mut used: HashSet<Mask> = [vec![false; units], vec![true; units]].into();
    let mut size = FIRST_ROUND;
    while !shares.is_done() {
        let affordable = (max_evals - used.len().min(max_evals)) / 2;
        if affordable == 0 {
            break;
        }
        let (round, masks) = shares.round(affordable.min(size));
        size = (2 * size).min(LARGEST_ROUND);
        let values = match shares.is_untouched() {
            // One round is the minimum for a response.
            true => Some(perturbation.values(passes, &masks).await?),
            false => perturbation.values_in_time(passes, &masks).await?,
        };
        let Some(values) = values else {
            shares.put_back(round);
            break;
        };
        used.extend(masks);
        shares.take(round, &values.iter().map(|values| values[k]).collect::<Vec<_>>());
        passes.report(used.len(), max_evals, || {
            let current = perturbation.units().spread(&shares.scores());
            previous.iter().cloned().chain([current]).collect()
        });
    }
    // Nodes that are not expanded because of `max_evals` are as requested.
    let finished = shares.is_done() || used.len() + 2 > max_evals;
    Ok((shares.scores(), used.len(), finished))
}

/// Returns where units may be separated: between texts, between sentences, after punctuation. One
/// list per kind.
fn borders(encoding: &Encoding, perturbation: &Perturbation<'_>) -> Vec<Vec<usize>> {
    let units = &perturbation.units().tokens;
    let first = |unit: usize| units[unit][0];
    let segment = |unit: usize| encoding.tokens[first(unit)].segment;
    let sentence =
        |unit: usize| encoding.sentences.iter().position(|s| s.tokens.contains(&first(unit)));
    let is_punctuation = |unit: usize| {
        let word = encoding.tokens[first(unit)].word.and_then(|word| encoding.words.get(word));
        word.is_some_and(|word| !word.text.chars().any(char::is_alphanumeric))
    };
    let borders_where =
        |starts: &dyn Fn(usize) -> bool| (1..units.len()).filter(|u| starts(*u)).collect();
    vec![
        borders_where(&|unit| segment(unit) != segment(unit - 1)),
        borders_where(&|unit| sentence(unit) != sentence(unit - 1)),
        borders_where(&|unit| is_punctuation(unit - 1)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapley_values_are_the_mean_over_all_orders() {
        let value = |bits: usize| ((bits * 37 + 11) % 17) as f64;
        let units = 4;
        let mut by_orders = vec![0.; units];
        let mut orders = 0.;
        for order in (0..units.pow(units as u32)).map(|n| [n % 4, n / 4 % 4, n / 16 % 4, n / 64]) {
            let mut sorted = order;
            sorted.sort_unstable();
            if sorted != [0, 1, 2, 3] {
                continue;
            }
            orders += 1.;
            let mut bits = 0;
            for unit in order {
                by_orders[unit] += value(bits | 1 << unit) - value(bits);
                bits |= 1 << unit;
            }
        }
        for (ours, sum) in shapley(units, value).iter().zip(by_orders) {
            assert!((ours - sum / orders).abs() < 1e-12);
        }
    }
}
