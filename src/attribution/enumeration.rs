//! All combinations of present units, for inputs of a few units.

use super::perturbation::{Mask, Perturbation, Units};
use super::samples::{self, Goal};
use super::{Attribution, Completeness, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::shapley::exact;

/// The most units of which methods that sample run every combination, if `max_evals` allows: 256.
pub const FEW_UNITS: usize = 8;

/// Rows to run together.
const ROUND: usize = 32;

/// Returns whether `units` units have at most `max_evals` combinations.
pub fn is_allowed(units: usize, max_evals: usize) -> bool {
    units < 20 && 1 << units <= max_evals
}

/// Returns the combination whose units are the set bits of `bits`.
pub fn mask(bits: usize, units: usize) -> Mask {
    (0..units).map(|unit| bits >> unit & 1 == 1).collect()
}

/// Returns what `exact` makes of the scalars of every combination, in the order of [`mask`]'s
/// numbers. If there is no time to run them all, returns the attributions of `sampled` as cut short:
/// with more time, the same request has other scores.
pub async fn exact_or<E: Future<Output = Result<Vec<Attribution>>>>(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    exact: impl FnOnce(Vec<Vec<f64>>) -> E,
    sampled: impl Future<Output = Result<Vec<Attribution>>>,
) -> Result<Vec<Attribution>> {
    match run(passes, perturbation, subject).await? {
        Some(all) => exact(all).await,
        None => Ok(sampled.await?.into_iter().map(samples::unfinished).collect()),
    }
}

/// Returns the scalars of every combination; `None` if there is no time to run them all.
async fn run(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
) -> Result<Option<Vec<Vec<f64>>>> {
    let units = perturbation.count();
    let partial: Vec<Mask> = (0..(1 << units) - 1).map(|bits| mask(bits, units)).collect();
    let mut values = Vec::with_capacity(partial.len() + 1);
    for (number, round) in partial.chunks(ROUND).enumerate() {
        let round = match number {
            // One round is the minimum for a response.
            0 => Some(perturbation.values(passes, round).await?),
            _ => perturbation.values_in_time(passes, round).await?,
        };
        match round {
            Some(round) => values.extend(round),
            None => return Ok(None),
        }
    }
    values.push(subject.values.to_vec());
    Ok(Some(values))
}

/// Returns the Shapley values of every scalar, given those of every combination.
pub fn shapley_values(
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    all: &[Vec<f64>],
    goal: Goal<'_>,
) -> Vec<Attribution> {
    let attribution = |(k, &value): (usize, &f64)| {
        let shares = exact(perturbation.count(), |bits| all[bits][k]);
        let attribution = complete(perturbation.units(), &shares, value, all[0][k]);
        goal.judged(attribution, all.len(), true)
    };
    subject.values.iter().enumerate().map(attribution).collect()
}

/// Returns scores that add up to the change from `empty` to `value`. Whether they have converged is
/// for their standard errors to say.
pub fn complete(units: &Units, shares: &[f64], value: f64, empty: f64) -> Attribution {
    let scores = units.spread(shares);
    let completeness = Completeness::of(&scores, value, empty, 0.);
    Attribution { completeness: Some(completeness), ..Attribution::plain(scores) }
}
