//! Sampling of coalitions, each together with its complement.

use std::sync::Arc;

use super::perturbation::{Mask, Perturbation};
use super::samples::{self, Collect, Goal, MAX_EVALS, Work};
use super::{Attribution, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;

/// What a method makes of sampled coalitions.
pub trait Estimate: Send + Sync + 'static {
    /// Returns an attribution per scalar, given the values of each scalar for these coalitions.
    fn attributions(&self, coalitions: &[Mask], scalars: &[Evaluated]) -> Vec<Attribution>;
}

/// The values of a scalar.
#[derive(Clone)]
pub struct Evaluated {
    /// With all units, and with none.
    pub value: f64,
    pub empty: f64,
    /// With each coalition, followed by that with its complement.
    both: Vec<f64>,
}

impl Evaluated {
    /// Returns `F(S) - F(complement of S)` of each coalition.
    pub fn differences(&self) -> Vec<f64> {
        self.both.chunks_exact(2).map(|both| both[0] - both[1]).collect()
    }

    /// Returns `F(S) + F(complement of S)` of each coalition.
    pub fn sums(&self) -> Vec<f64> {
        self.both.chunks_exact(2).map(|both| both[0] + both[1]).collect()
    }
}

/// Evaluates the coalitions that `prepare` draws, given how many, in rounds.
pub async fn run<E: Estimate>(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    options: &Options,
    prepare: impl FnOnce(usize) -> (E, Vec<Mask>) + Send + 'static,
) -> Result<Vec<Attribution>> {
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    // Two evaluations are for all units and for none.
    let count = (max_evals - 2) / 2;
    let (estimate, coalitions) = passes.compute(move || prepare(count)).await?;
    let complement = |one: &Mask| one.iter().map(|present| !present).collect::<Mask>();
    let masks: Vec<Mask> =
        coalitions.iter().flat_map(|one| [one.clone(), complement(one)]).collect();
    let empty = perturbation.values(passes, &[vec![false; perturbation.count()]]).await?.concat();
    let scalars = subject.values.iter().zip(empty);
    let scalars = scalars.map(|(&value, empty)| Evaluated { value, empty, both: Vec::new() });
    let samples = Samples {
        estimate: Arc::new(estimate),
        coalitions: Arc::new(coalitions),
        scalars: scalars.collect(),
    };
    let goal = Goal::new(masks.len(), options, subject.encoding);
    samples::run_masks(passes, goal, perturbation, &masks, samples).await
}

struct Samples<E> {
    estimate: Arc<E>,
    coalitions: Arc<Vec<Mask>>,
    scalars: Vec<Evaluated>,
}

impl<E: Estimate> Collect<Vec<f64>> for Samples<E> {
    fn take(&mut self, sample: Vec<f64>) {
        self.scalars.iter_mut().zip(sample).for_each(|(scalar, value)| scalar.both.push(value));
    }

    fn so_far(&self) -> Work {
        let (estimate, coalitions) = (Arc::clone(&self.estimate), Arc::clone(&self.coalitions));
        let scalars = self.scalars.clone();
        Box::new(move || {
            let count = scalars.first().map_or(0, |scalar| scalar.both.len() / 2);
            estimate.attributions(&coalitions[..count], &scalars)
        })
    }
}
