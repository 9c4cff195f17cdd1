//! Shapley values if all coalitions can be run, otherwise Owen values over a tree of neighbouring
//! units; like the package shap's `Partition`.

use std::collections::HashSet;
use std::ops::Range;

use futures_util::FutureExt;
use futures_util::future::ready;

use super::enumeration;
use super::owen::{Orders, Tree, gains, prefixes};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT};
use super::samples::{self, Goal, MAX_EVALS, TOLERANCE};
use super::{ALWAYS, AS_GIVEN, Attribution, MethodEntry, NO_ROW, Options, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::text::Encoding;

/// Rows of the first round, and of the largest.
const FIRST_ROUND: usize = 16;
const LARGEST_ROUND: usize = 128;

/// Pairs of orders of the first round: two, for standard errors.
const FIRST_PAIRS: usize = 2;

/// Pairs of orders for which there must be evaluations, if not all orders can be run.
const FEWEST: usize = 4;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "partition_shap",
    summary: "Shapley values of the units, exact if there are at most max_evals coalitions; else \
              Owen values over sentences, clauses and halves of them with standard errors, from \
              random orders of the units, exact if max_evals allows all orders. Scores always add \
              up to the change from no units to the input.",
    paper: "Shapley 1953; Owen 1977; Lundberg & Lee 2017, arXiv:1705.07874",
    options: &[UNIT, REPLACEMENT, MAX_EVALS, TOLERANCE],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows at most, or 2 to the number of units if that is less; fewer \
                if the tolerance is reached",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let units = perturbation.count();
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let sampled = sampled(passes, &perturbation, subject, options, max_evals);
    if !enumeration::is_allowed(units, max_evals) {
        return sampled.await;
    }
    let exact = |all: Vec<Vec<f64>>| {
        let goal = Goal::new(all.len(), options, subject.encoding);
        ready(Ok(enumeration::shapley_values(&perturbation, subject, &all, goal)))
    };
    enumeration::exact_or(passes, &perturbation, subject, exact, sampled).await
}

/// Averages over random orders.
async fn sampled(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    options: &Options,
    max_evals: usize,
) -> Result<Vec<Attribution>> {
    let units = perturbation.count();
    let borders = borders(subject.encoding, perturbation);
    let parts = parts(units, &borders, max_evals);
    let tree = Tree::over(0..units, &borders, parts);
    let empty = perturbation.values(passes, &[vec![false; units]]).await?.concat();
    let goal = Goal::new(max_evals, options, subject.encoding);
    let walk = Walk { perturbation, subject, tree: &tree, parts, empty, goal };
    walk.run(passes).await
}

/// Returns into how many parts to split the units: all of them if the coalitions of all orders can
/// be run, otherwise so many that those of a few orders can.
fn parts(units: usize, borders: &[Vec<usize>], max_evals: usize) -> usize {
    match Tree::over(0..units, borders, units).coalitions() {
        all if all <= max_evals as f64 => units,
        _ => units.min(1 + (max_evals - 2) / (2 * FEWEST)),
    }
}

/// One pair of orders: each unit's mean gain in both, `[scalars][units]`.
type Gains = Vec<Vec<f64>>;

/// A sample of orders.
struct Walk<'a> {
    perturbation: &'a Perturbation<'a>,
    subject: Subject<'a>,
    tree: &'a Tree,
    parts: usize,
    /// The scalars without any units.
    empty: Vec<f64>,
    goal: Goal<'a>,
}

impl Walk<'_> {
    /// Takes pairs of orders until all scalars have reached the goal, or all pairs, or as many as
    /// evaluations and time allow.
    async fn run(&self, passes: &Passes) -> Result<Vec<Attribution>> {
        let units = self.perturbation.count();
        let mut orders = Orders::new(self.tree, self.subject.seed).peekable();
        let all_pairs = Orders::new(self.tree, self.subject.seed).pairs();
        let mut used: HashSet<Mask> = [vec![false; units], vec![true; units]].into();
        let mut pairs: Vec<Gains> = Vec::new();
        let mut results = self.updated(Vec::new(), &pairs, all_pairs, used.len(), false);
        let mut rows = FIRST_ROUND;
        while !results.iter().all(samples::is_converged) {
            let count =
                (rows / (2 * self.parts)).max(if pairs.is_empty() { FIRST_PAIRS } else { 1 });
            rows = (2 * rows).min(LARGEST_ROUND);
            let mut round = Vec::new();
            let mut fits = |order: &Vec<Range<usize>>| {
                let masks = both(order).map(|order| prefixes(&order, units));
                let masks = masks.into_iter().flatten();
                let new: HashSet<Mask> = masks.filter(|mask| !used.contains(mask)).collect();
                let fits = used.len() + new.len() <= self.goal.count;
                used.extend(new.into_iter().filter(|_| fits));
                fits
            };
            while let Some(order) = orders.next_if(|order| round.len() < count && fits(order)) {
                round.push(order);
            }
            if round.is_empty() {
                break;
            }
            let Some(new) = self.gains(passes, &round, pairs.is_empty()).await? else {
                return Ok(results);
            };
            pairs.extend(new);
            let is_last = pairs.len() as f64 == all_pairs;
            results = self.updated(results, &pairs, all_pairs, used.len(), is_last);
            let scores = || samples::scores(results.clone());
            passes.report(used.len(), self.goal.count, scores);
        }
        // Sampling ended as requested: by the tolerance, or for want of orders or evaluations.
        results.iter_mut().filter_map(|one| one.sampling.as_mut()).for_each(|s| s.finished = true);
        Ok(results)
    }

    /// Returns the gains of each pair of orders; `None` if there is no time.
    async fn gains(
        &self,
        passes: &Passes,
        orders: &[Vec<Range<usize>>],
        is_first: bool,
    ) -> Result<Option<Vec<Gains>>> {
        let units = self.perturbation.count();
        let both: Vec<Vec<Range<usize>>> = orders.iter().flat_map(|order| both(order)).collect();
        let masks: Vec<Mask> = both.iter().flat_map(|order| prefixes(order, units)).collect();
        let values = match is_first {
            // One round is the minimum for a response.
            true => Some(self.perturbation.values(passes, &masks).await?),
            false => self.perturbation.values_in_time(passes, &masks).await?,
        };
        let Some(values) = values else { return Ok(None) };
        // An order of a single part has no coalitions between the empty and the full one.
        let mut values = values.chunks((both[0].len() - 1).max(1));
        let mut of_order = |order: &Vec<Range<usize>>| {
            let values = values.next().unwrap_or_default();
            let of_scalar = |(k, (&empty, &full)): (usize, (&f64, &f64))| {
                let values: Vec<f64> = values.iter().map(|values| values[k]).collect();
                gains(order, &values, empty, full)
            };
            self.empty.iter().zip(self.subject.values).enumerate().map(of_scalar).collect::<Gains>()
        };
        let of_pair = |pair: &[Vec<Range<usize>>]| {
            let (mut first, second) = (of_order(&pair[0]), of_order(&pair[1]));
            for (a, b) in first.iter_mut().flatten().zip(second.iter().flatten()) {
                *a = (*a + b) / 2.;
            }
            first
        };
        Ok(Some(both.chunks(2).map(of_pair).collect()))
    }

    /// Returns the scores of the pairs so far; those that were within the tolerance before are
    /// final. Units that share a part are never within it.
    fn updated(
        &self,
        old: Vec<Attribution>,
        pairs: &[Gains],
        all_pairs: f64,
        used: usize,
        is_last: bool,
    ) -> Vec<Attribution> {
        let of_scalar = |k: usize| {
            let (shares, deviations) = match pairs {
                [] => self.unsampled(k),
                pairs => mean(pairs.iter().map(|pair| pair[k].as_slice()).collect(), all_pairs),
            };
            let units = self.perturbation.units();
            let (value, empty) = (self.subject.values[k], self.empty[k]);
            let vectors = deviations.iter().map(|vector| units.spread(vector)).collect();
            let attribution = enumeration::complete(units, &shares, value, empty);
            let attribution = Attribution { deviations: vectors, ..attribution };
            let mut judged = self.goal.judged(attribution, used, is_last);
            if self.parts < shares.len() {
                judged.completeness.iter_mut().for_each(|whole| whole.converged = false);
                judged.sampling.iter_mut().for_each(|sampling| {
                    (sampling.converged, sampling.finished) = (false, is_last);
                });
            }
            judged
        };
        samples::updated(old, (0..self.empty.len()).map(of_scalar).collect())
    }

    /// Splits the change evenly, and counts all of it as uncertain.
    fn unsampled(&self, k: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
        let units = self.perturbation.count();
        let share = (self.subject.values[k] - self.empty[k]) / units as f64;
        (vec![share; units], vec![vec![share; units]])
    }
}

/// Returns an order and its reverse.
fn both(order: &[Range<usize>]) -> [Vec<Range<usize>>; 2] {
    [order.to_vec(), order.iter().rev().cloned().collect()]
}

/// Returns the mean of samples from `all` ones, without replacement, and vectors whose outer
/// products sum to its covariance.
fn mean(samples: Vec<&[f64]>, all: f64) -> (Vec<f64>, Vec<Vec<f64>>) {
    let count = samples.len() as f64;
    let mean: Vec<f64> = (0..samples[0].len())
        .map(|unit| samples.iter().map(|sample| sample[unit]).sum::<f64>() / count)
        .collect();
    if count >= all {
        return (mean, Vec::new());
    }
    if count < 2. {
        return (mean.clone(), vec![mean]);
    }
    let factor = ((1. + FEW / count) * (1. - count / all) / (count * (count - 1.))).sqrt();
    let deviation =
        |sample: &&[f64]| sample.iter().zip(&mean).map(|(a, m)| factor * (a - m)).collect();
    let deviations = samples.iter().map(deviation).collect();
    (mean, deviations)
}

/// What is added to the factor of the variance for one pair: a few samples underestimate it.
const FEW: f64 = 4.;

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
