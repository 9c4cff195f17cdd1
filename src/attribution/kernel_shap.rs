//! KernelSHAP: Shapley values by weighted least squares over coalitions; the
//! package shap's `KernelExplainer` without regularisation.

use std::sync::Arc;

use futures_util::FutureExt;

use super::coalitions;
use super::least_squares::{Sample, with_sum};
use super::perturbation::{Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Collect, MAX_EVALS, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Completeness, Cost, MethodEntry, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::RowOutput;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "kernel_shap",
    summary: "Shapley values of the units, by least squares over coalitions of them; exact where \
              max_evals allows all. Scores add up to the change from nothing to the input.",
    paper: "Lundberg & Lee 2017, arXiv:1705.07874",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows, or 2 to the number of units where that is less",
    cost: |options, of| Cost {
        forward_rows: samples::or_all(
            options.integer(MAX_EVALS.name).unwrap_or_default(),
            of.tokens,
        ),
        ..Cost::default()
    },
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// The φ that minimise `Σ_S k(S) (F(S) - F(∅) - Σ_{u ∈ S} φ_u)²` and sum to
/// `F(x) - F(∅)`; k is the Shapley kernel.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let budget = options.integer(MAX_EVALS.name).unwrap_or_default() - 2;
    let (units, seed) = (perturbation.count(), subject.seed);
    let drawn = passes.compute(move || coalitions::choose(units, budget, seed)).await?;
    let coalitions = Arc::new(drawn);
    let empty = passes.run_one(perturbation.row(|_| false)).await?;
    let row = |number: usize| perturbation.row(|unit| coalitions[number].present[unit]);
    let count = coalitions.len();
    let shapley = Shapley {
        units: Arc::clone(perturbation.units()),
        coalitions: Arc::clone(&coalitions),
        values: subject.values.to_vec(),
        empty: empty.values,
        gains: vec![Vec::new(); subject.scalars.len()],
    };
    samples::run(passes, count, row, shapley).await
}

#[derive(Clone)]
struct Shapley {
    units: Arc<Units>,
    coalitions: Arc<Vec<Sample>>,
    values: Vec<f64>,
    empty: Vec<f64>,
    /// What each coalition adds to nothing, `[scalars][coalitions]`.
    gains: Vec<Vec<f64>>,
}

impl Collect for Shapley {
    fn take(&mut self, output: RowOutput) {
        let scalars = self.gains.iter_mut().zip(&self.empty).zip(output.values);
        scalars.for_each(|((gains, empty), value)| gains.push(value - empty));
    }

    fn so_far(&self) -> Work {
        let shapley = self.clone();
        Box::new(move || (0..shapley.gains.len()).map(|k| shapley.shared(k)).collect())
    }
}

impl Shapley {
    /// The shares of the `k`-th scalar.
    fn shared(&self, k: usize) -> Attribution {
        let (value, empty, gains) = (self.values[k], self.empty[k], &self.gains[k]);
        let units = match self.units.tokens.len() {
            1 => vec![value - empty],
            _ => with_sum(&self.coalitions[..gains.len()], gains, value - empty),
        };
        let scores = self.units.spread(&units);
        let whole = Completeness::of(&scores, value, empty, 1e-3);
        Attribution { completeness: Some(whole), ..Attribution::plain(scores) }
    }
}
