//! Shapley values from sampled coalitions, with standard errors; see [`shapley`](crate::shapley).
//!
//! Named after KernelSHAP, which estimates the same values by weighted least squares over
//! coalitions. From some hundred evaluations on, the estimate here has a fraction of its error
//! (docs/reference/benchmarks.md).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;

use super::coalitions::{self, Estimate, Evaluated};
use super::deviations::of_covariance;
use super::enumeration::{self, FEW_UNITS, complete};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Goal, MAX_EVALS, TOLERANCE};
use super::{ALWAYS, AS_GIVEN, Attribution, MethodEntry, NO_ROW, Options, PairsOf, Subject};
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
    row_at_input: NO_ROW,
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
    let sampled = sampled(passes, &perturbation, subject, options);
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
) -> Result<Vec<Attribution>> {
    let (count, seed) = (perturbation.count(), subject.seed);
    let units = Arc::clone(perturbation.units());
    let prepare = move |pairs| {
        let order = Order::new(count, Generator::stream(seed, 0));
        (Shapley { units, estimator: Estimator::new(count) }, order.take(pairs).collect())
    };
    coalitions::run(passes, perturbation, subject, options, prepare).await
}

struct Shapley {
    units: Arc<Units>,
    estimator: Estimator,
}

impl Estimate for Shapley {
    fn attributions(&self, coalitions: &[Mask], scalars: &[Evaluated]) -> Vec<Attribution> {
        let fit = self.estimator.fit(coalitions);
        let of_scalar = |scalar: &Evaluated| {
            let (value, empty) = (scalar.value, scalar.empty);
            let estimate = fit.estimate(&scalar.differences(), value - empty);
            let vectors = of_covariance(estimate.covariance);
            Attribution {
                deviations: vectors.iter().map(|vector| self.units.spread(vector)).collect(),
                ..complete(&self.units, &estimate.values, value, empty)
            }
        };
        scalars.iter().map(of_scalar).collect()
    }
}
