//! Shapley values from sampled coalitions, with standard errors; see [`shapley`](crate::shapley).
//!
//! Named after KernelSHAP, which estimates the same values by weighted least squares over
//! coalitions. From some hundred evaluations on, the estimate here has a fraction of its error
//! (docs/reference/benchmarks.md).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;

use super::deviations::of_covariance;
use super::enumeration::{self, FEW_UNITS, complete};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Collect, Goal, MAX_EVALS, TOLERANCE, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, MethodEntry, Options, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::shapley::{Estimator, Order};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "kernel_shap",
    summary: "Shapley values of the units with standard errors, from random coalitions and their \
              complements; exact for up to 8 units. Scores add up to the change from no units to \
              the input.",
    paper: "Lundberg & Lee 2017, arXiv:1705.07874; Witter, Liu & Musco 2025, arXiv:2506.11849",
    options: &[UNIT, REPLACEMENT, MAX_EVALS, TOLERANCE],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    pairs: PairsOf::None,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows at most, or 2 to the number of units if that is less; fewer \
                if the tolerance is reached",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Runs all coalitions of a few units, or if sampling would not end before them; otherwise samples.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let units = perturbation.count();
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let is_exact = units <= FEW_UNITS || options.number(TOLERANCE.name) == 0.;
    let sampled = sampled(passes, &perturbation, subject, options, max_evals);
    if !is_exact || !enumeration::is_allowed(units, max_evals) {
        return sampled.await;
    }
    let exact = |all: Vec<Vec<f64>>| {
        let goal = Goal::new(all.len(), options, subject.encoding);
        ready(Ok(enumeration::shapley_values(&perturbation, subject, &all, goal)))
    };
    enumeration::exact_or(passes, &perturbation, subject, exact, sampled).await
}

async fn sampled(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    options: &Options,
    max_evals: usize,
) -> Result<Vec<Attribution>> {
    let (units, seed) = (perturbation.count(), subject.seed);
    // Two evaluations are for all units and for none.
    let pairs = (max_evals - 2) / 2;
    let prepare = move || {
        let coalitions: Vec<Mask> =
            Order::new(units, Generator::stream(seed, 0)).take(pairs).collect();
        (Arc::new(Estimator::new(units)), Arc::new(coalitions))
    };
    let (estimator, coalitions) = passes.compute(prepare).await?;
    let complement = |one: &Mask| one.iter().map(|present| !present).collect::<Mask>();
    let masks: Vec<Mask> =
        coalitions.iter().flat_map(|one| [one.clone(), complement(one)]).collect();
    let empty = perturbation.values(passes, &[vec![false; units]]).await?.concat();
    let shapley = Shapley {
        units: Arc::clone(perturbation.units()),
        estimator,
        coalitions,
        values: subject.values.to_vec(),
        empty,
        evaluated: vec![Vec::new(); subject.scalars.len()],
    };
    let goal = Goal::new(masks.len(), options, subject.encoding);
    samples::run_masks(passes, goal, perturbation, &masks, shapley).await
}

#[derive(Clone)]
struct Shapley {
    units: Arc<Units>,
    estimator: Arc<Estimator>,
    coalitions: Arc<Vec<Mask>>,
    values: Vec<f64>,
    empty: Vec<f64>,
    /// F of each coalition and of its complement, `[scalars][2 · coalitions]`.
    evaluated: Vec<Vec<f64>>,
}

impl Collect<Vec<f64>> for Shapley {
    fn take(&mut self, sample: Vec<f64>) {
        self.evaluated.iter_mut().zip(sample).for_each(|(list, value)| list.push(value));
    }

    fn so_far(&self) -> Work {
        let shapley = self.clone();
        Box::new(move || shapley.attributions())
    }
}

impl Shapley {
    fn attributions(&self) -> Vec<Attribution> {
        let pairs = self.evaluated.first().map_or(0, |list| list.len() / 2);
        let fit = self.estimator.fit(&self.coalitions[..pairs]);
        let of_scalar = |((evaluated, &value), &empty): ((&Vec<f64>, &f64), &f64)| {
            let differences: Vec<f64> =
                evaluated.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect();
            let estimate = fit.estimate(&differences, value - empty);
            let vectors = of_covariance(estimate.covariance);
            Attribution {
                deviations: vectors.iter().map(|vector| self.units.spread(vector)).collect(),
                ..complete(&self.units, &estimate.values, value, empty)
            }
        };
        self.evaluated.iter().zip(&self.values).zip(&self.empty).map(of_scalar).collect()
    }
}
