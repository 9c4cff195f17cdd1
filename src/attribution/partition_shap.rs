//! Shapley values where all coalitions can be looked at, Owen values over a tree
//! of neighbouring units where they cannot: the package shap's `Partition`.

use std::collections::{HashMap, HashSet};

use futures_util::FutureExt;

use super::owen::{Mask, Shares, Tree};
use super::perturbation::{Perturbation, REPLACEMENT, UNIT};
use super::samples::{self, MAX_EVALS};
use super::{
    ALWAYS, AS_GIVEN, Attribution, Completeness, Cost, Extent, MethodEntry, Options, Sampling,
    Subject,
};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput};
use crate::text::Encoding;

/// Nodes that are opened up together, two rows each: few first, so that the pace is
/// known early. What is opened when does not depend on the time there is.
const FIRST_ROUND: usize = 4;
const LARGEST_ROUND: usize = 32;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "partition_shap",
    summary: "Shapley values of the units, exact where there are at most max_evals coalitions; \
              else Owen values over sentences, clauses and halves of them, the weightiest parts \
              opened first. Scores always add up to the change from nothing to the input.",
    paper: "Shapley 1953; Owen 1977; Lundberg & Lee 2017, arXiv:1705.07874",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows for each target, or 2 to the number of units for all where \
                that is less",
    cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Coalitions that several targets look at are run once; in the worst case none is.
fn cost(options: &Options, of: Extent) -> Cost {
    let most = options.integer(MAX_EVALS.name).unwrap_or_default();
    let forward_rows = match samples::or_all(most, of.tokens) {
        all if all < most => all,
        most => most.saturating_mul(of.targets),
    };
    Cost { forward_rows, ..Cost::default() }
}

/// Of every coalition where there is room for all ([`shapley`]), else down a tree of
/// the units ([`owen`]).
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let mut values = Values::new(passes, &perturbation);
    let units = perturbation.count();
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let empty = values.of(&vec![false; units]).await?;
    let full = subject.values;
    values.known.insert(vec![true; units], full.to_vec());
    let mut attributions = Vec::new();
    let mut done: Vec<Vec<f64>> = Vec::new();
    let every: Vec<Mask> = match units < 20 && 1 << units <= max_evals {
        true => (0..1 << units).map(|bits| mask(bits, units)).collect(),
        false => Vec::new(),
    };
    let exact = !every.is_empty() && values.look_at_all_in_time(&every).await?;
    for k in 0..full.len() {
        let (shares, n_samples, finished) = match exact {
            true => {
                let of_scalar: Vec<f64> = every.iter().map(|mask| values.known[mask][k]).collect();
                (shapley(units, |bits| of_scalar[bits]), every.len(), true)
            }
            false => {
                let target = Target { k, empty: empty[k], full: full[k], before: &done };
                owen(subject.encoding, &mut values, target, max_evals).await?
            }
        };
        let scores = perturbation.units().spread(&shares);
        done.push(scores.clone());
        let whole = Completeness::of(&scores, full[k], empty[k], 1e-3);
        let sampling = Sampling { n_samples, finished, fit: None };
        attributions.push(Attribution {
            completeness: Some(whole),
            sampling: Some(sampling),
            ..Attribution::plain(scores)
        });
    }
    Ok(attributions)
}

/// Coalition number `bits`.
fn mask(bits: usize, units: usize) -> Mask {
    (0..units).map(|unit| bits >> unit & 1 == 1).collect()
}

/// `φ_u = Σ_S |S|! (n - |S| - 1)! / n! (v(S ∪ u) - v(S))` over all S without u.
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

/// The `k`-th scalar, without any unit and with all, and the scores of those
/// before it.
#[derive(Clone, Copy)]
struct Target<'a> {
    k: usize,
    empty: f64,
    full: f64,
    before: &'a [Vec<f64>],
}

/// One scalar's shares, how many coalitions they took, and whether every unit has
/// its own.
async fn owen(
    encoding: &Encoding,
    values: &mut Values<'_>,
    target: Target<'_>,
    max_evals: usize,
) -> Result<(Vec<f64>, usize, bool)> {
    let Target { k, empty, full, before } = target;
    let tree = Tree::over(0..values.perturbation.count(), &borders(encoding, values.perturbation));
    let mut shares = Shares::new(&tree, empty, full);
    let units = values.perturbation.count();
    let mut used: HashSet<Mask> = [vec![false; units], vec![true; units]].into();
    let mut size = FIRST_ROUND;
    while !shares.is_done() {
        let affordable = (max_evals - used.len().min(max_evals)) / 2;
        if affordable == 0 {
            break;
        }
        let (round, masks) = shares.round(affordable.min(size));
        size = (2 * size).min(LARGEST_ROUND);
        if shares.is_untouched() {
            // One round is the least that can be answered.
            values.look_at(&masks).await?;
        } else if !values.look_at_in_time(&masks).await? {
            shares.put_back(round);
            break;
        }
        let found: Vec<f64> = masks.iter().map(|mask| values.known[mask][k]).collect();
        used.extend(masks);
        shares.take(round, &found);
        values.passes.report(used.len(), max_evals, || {
            let own = values.perturbation.units().spread(&shares.scores());
            before.iter().cloned().chain([own]).collect()
        });
    }
    // Parts that max_evals leaves closed are as asked.
    let finished = shares.is_done() || used.len() + 2 > max_evals;
    Ok((shares.scores(), used.len(), finished))
}

/// The values of the coalitions looked at so far, of every scalar.
struct Values<'a> {
    passes: &'a Passes,
    perturbation: &'a Perturbation<'a>,
    known: HashMap<Mask, Vec<f64>>,
}

impl<'a> Values<'a> {
    fn new(passes: &'a Passes, perturbation: &'a Perturbation<'a>) -> Self {
        Self { passes, perturbation, known: HashMap::new() }
    }

    async fn of(&mut self, mask: &Mask) -> Result<Vec<f64>> {
        self.look_at(std::slice::from_ref(mask)).await?;
        Ok(self.known[mask].clone())
    }

    /// Looks at all of them, or as many as there is time for; whether it was enough.
    async fn look_at_all_in_time(&mut self, masks: &[Mask]) -> Result<bool> {
        for round in masks.chunks(LARGEST_ROUND) {
            if !self.look_at_in_time(round).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs those that are not known yet.
    async fn look_at(&mut self, masks: &[Mask]) -> Result<()> {
        let fresh = self.unknown(masks);
        let outputs = self.passes.run(self.rows(&fresh)).await?;
        self.learn(fresh, outputs);
        Ok(())
    }

    /// The same, if there is time; whether there was.
    async fn look_at_in_time(&mut self, masks: &[Mask]) -> Result<bool> {
        let fresh = self.unknown(masks);
        if !self.passes.have_time_for(fresh.len()) {
            return Ok(fresh.is_empty());
        }
        let outputs = self.passes.run_in_time(self.rows(&fresh)).await?;
        Ok(outputs.map(|outputs| self.learn(fresh, outputs)).is_some())
    }

    fn unknown(&self, masks: &[Mask]) -> Vec<Mask> {
        let unknown = masks.iter().filter(|mask| !self.known.contains_key(*mask));
        unknown.collect::<HashSet<_>>().into_iter().cloned().collect()
    }

    fn rows(&self, masks: &[Mask]) -> Vec<Row> {
        masks.iter().map(|mask| self.perturbation.row(|unit| mask[unit])).collect()
    }

    fn learn(&mut self, masks: Vec<Mask>, outputs: Vec<RowOutput>) {
        self.known.extend(masks.into_iter().zip(outputs.into_iter().map(|output| output.values)));
    }
}

/// Where units may be split apart: between texts, between sentences, after
/// punctuation.
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
    let where_new =
        |starts: &dyn Fn(usize) -> bool| (1..units.len()).filter(|u| starts(*u)).collect();
    vec![
        where_new(&|unit| segment(unit) != segment(unit - 1)),
        where_new(&|unit| sentence(unit) != sentence(unit - 1)),
        where_new(&|unit| is_punctuation(unit - 1)),
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
