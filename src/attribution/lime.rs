//! LIME: a linear surrogate of the model around the input, fitted to inputs without some words.
//! Like the package lime's text explainer with every word kept.

use std::sync::Arc;

use futures_util::FutureExt;

use super::least_squares::{Sample, ridge};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, Units, random_mask};
use super::samples::{self, Collect, MAX_EVALS, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Fit, MethodEntry, Options, Sampling, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;

/// Width of the kernel, for distances up to 100.
const WIDTH: f64 = 25.;

/// Penalty of the ridge regression.
const ALPHA: f64 = 1.;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "lime",
    summary: "Coefficients of a linear model fitted to the explained scalar without random units, \
              weighted by their proximity to the input; says how well it fits (r2).",
    paper: "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows, or 2 to the number of units if that is less",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Fits a ridge regression of F to the presence of units. Each sample is weighted by
/// `sqrt(exp(-d²/25²))`, where d is 100 times the cosine distance from the full input. The first
/// sample is the input; the others lack between 1 and all units, drawn from stream 0 of the seed.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let count = options.integer(MAX_EVALS.name).unwrap_or_default();
    let (units, seed) = (perturbation.count(), subject.seed);
    let samples = Arc::new(passes.compute(move || draw(units, count, seed)).await?);
    let masks: Vec<Mask> = samples.iter().map(|sample| sample.present.clone()).collect();
    let surrogate = Surrogate {
        units: Arc::clone(perturbation.units()),
        samples,
        values: vec![Vec::new(); subject.scalars.len()],
    };
    samples::run_masks(passes, &perturbation, &masks, surrogate).await
}

fn draw(units: usize, count: usize, seed: u64) -> Vec<Sample> {
    let mut generator = Generator::stream(seed, 0);
    let sample = |number: usize| {
        let present = match number {
            0 => vec![true; units],
            _ => random_mask(&mut generator, units),
        };
        let weight = proximity(&present);
        Sample { present, weight }
    };
    (0..count).map(sample).collect()
}

fn proximity(present: &[bool]) -> f64 {
    let share = present.iter().filter(|present| **present).count() as f64 / present.len() as f64;
    let distance = 100. * (1. - share.sqrt());
    (-(distance / WIDTH).powi(2)).exp().sqrt()
}

#[derive(Clone)]
struct Surrogate {
    units: Arc<Units>,
    samples: Arc<Vec<Sample>>,
    /// `[scalars][samples]`
    values: Vec<Vec<f64>>,
}

impl Collect<Vec<f64>> for Surrogate {
    fn take(&mut self, sample: Vec<f64>) {
        self.values.iter_mut().zip(sample).for_each(|(values, value)| values.push(value));
    }

    fn so_far(&self) -> Work {
        let surrogate = self.clone();
        Box::new(move || surrogate.values.iter().map(|values| surrogate.solve(values)).collect())
    }
}

impl Surrogate {
    fn solve(&self, values: &[f64]) -> Attribution {
        let line = ridge(&self.samples[..values.len()], values, ALPHA);
        let fit = Some(Fit { intercept: line.intercept, r2: line.r2 });
        let sampling = Sampling { n_samples: values.len(), finished: false, fit };
        let scores = self.units.spread(&line.coefficients);
        Attribution { sampling: Some(sampling), ..Attribution::plain(scores) }
    }
}
