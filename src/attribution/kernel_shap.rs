//! KernelSHAP: Shapley values by weighted least squares over coalitions, like the package shap's
//! `KernelExplainer` without regularisation.

use std::sync::Arc;

use futures_util::FutureExt;

use super::coalitions;
use super::least_squares::{Sample, with_sum};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Collect, MAX_EVALS, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Completeness, MethodEntry, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "kernel_shap",
    summary: "Shapley values of the units, by least squares over coalitions of them; exact if \
              max_evals allows all. Scores add up to the change from no units to the input.",
    paper: "Lundberg & Lee 2017, arXiv:1705.07874",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows, or 2 to the number of units if that is less",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Returns the φ that minimise `Σ_S k(S) (F(S) - F(∅) - Σ_{u ∈ S} φ_u)²` and sum to `F(x) - F(∅)`,
/// with the Shapley kernel k.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let budget = options.integer(MAX_EVALS.name).unwrap_or_default() - 2;
    let (units, seed) = (perturbation.count(), subject.seed);
    let drawn = passes.compute(move || coalitions::choose(units, budget, seed)).await?;
    let coalitions = Arc::new(drawn);
    let masks: Vec<Mask> = coalitions.iter().map(|sample| sample.present.clone()).collect();
    let empty = perturbation.values(passes, &[vec![false; units]]).await?;
    let shapley = Shapley {
        units: Arc::clone(perturbation.units()),
        coalitions,
        values: subject.values.to_vec(),
        empty: empty.concat(),
        gains: vec![Vec::new(); subject.scalars.len()],
    };
    samples::run_masks(passes, &perturbation, &masks, shapley).await
}

#[derive(Clone)]
struct Shapley {
    units: Arc<Units>,
    coalitions: Arc<Vec<Sample>>,
    values: Vec<f64>,
    empty: Vec<f64>,
    /// `F(S) - F(∅)` per coalition S, `[scalars][coalitions]`.
    gains: Vec<Vec<f64>>,
}

impl Collect<Vec<f64>> for Shapley {
    fn take(&mut self, sample: Vec<f64>) {
        let scalars = self.gains.iter_mut().zip(&self.empty).zip(sample);
        scalars.for_each(|((gains, empty), value)| gains.push(value - empty));
    }

    fn so_far(&self) -> Work {
        let shapley = self.clone();
        Box::new(move || (0..shapley.gains.len()).map(|k| shapley.solve(k)).collect())
    }
}

impl Shapley {
    /// Solves for the Shapley values of the `k`-th scalar.
    fn solve(&self, k: usize) -> Attribution {
        let (value, empty, gains) = (self.values[k], self.empty[k], &self.gains[k]);
        let units = match self.units.tokens.len() {
            1 => vec![value - empty],
            _ => with_sum(&self.coalitions[..gains.len()], gains, value - empty),
        };
        let scores = self.units.spread(&units);
        let completeness = Completeness::of(&scores, value, empty, 1e-3);
        Attribution { completeness: Some(completeness), ..Attribution::plain(scores) }
    }
}
