//! LIME: a linear model of what the model does where words are away, near the
//! input; the package lime's text explainer with every word kept.

use std::sync::Arc;

use futures_util::FutureExt;

use super::least_squares::{Sample, ridge};
use super::perturbation::{Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Collect, MAX_EVALS, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Cost, Fit, MethodEntry, Options, Sampling, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::rows::RowOutput;

/// The kernel's width, of distances up to 100.
const WIDTH: f64 = 25.;

/// The ridge's penalty.
const ALPHA: f64 = 1.;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "lime",
    summary: "Coefficients of a linear model fitted to the explained scalar where random units \
              are away, those near the input counting most; says how well it fits (r2).",
    paper: "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
    options: &[UNIT, REPLACEMENT, MAX_EVALS],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows",
    cost: |options, _| Cost {
        forward_rows: options.integer(MAX_EVALS.name).unwrap_or_default(),
        ..Cost::default()
    },
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Ridge regression of F on which units are there, each sample weighted by
/// `sqrt(exp(-d²/25²))`, d a hundred times the cosine distance from all units.
/// The first sample is the input; each other one has between 1 and all units
/// taken away, drawn from sequence 0 of the seed.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let count = options.integer(MAX_EVALS.name).unwrap_or_default();
    let (units, seed) = (perturbation.count(), subject.seed);
    let samples = Arc::new(passes.compute(move || draw(units, count, seed)).await?);
    let row = |number: usize| perturbation.row(|unit| samples[number].present[unit]);
    let surrogate = Surrogate {
        units: Arc::clone(perturbation.units()),
        samples: Arc::clone(&samples),
        values: vec![Vec::new(); subject.scalars.len()],
    };
    samples::run(passes, count, row, surrogate).await
}

fn draw(units: usize, count: usize, seed: u64) -> Vec<Sample> {
    let mut generator = Generator::stream(seed, 0);
    let sample = |number: usize| {
        let mut present = vec![true; units];
        if number > 0 {
            let away = 1 + generator.below(units);
            generator.choose(away, units).into_iter().for_each(|unit| present[unit] = false);
        }
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

impl Collect for Surrogate {
    fn take(&mut self, output: RowOutput) {
        self.values.iter_mut().zip(output.values).for_each(|(values, value)| values.push(value));
    }

    fn so_far(&self) -> Work {
        let surrogate = self.clone();
        Box::new(move || surrogate.values.iter().map(|values| surrogate.fitted(values)).collect())
    }
}

impl Surrogate {
    fn fitted(&self, values: &[f64]) -> Attribution {
        let line = ridge(&self.samples[..values.len()], values, ALPHA);
        let fit = Some(Fit { intercept: line.intercept, r2: line.r2 });
        let sampling = Sampling { n_samples: values.len(), finished: false, fit };
        let scores = self.units.spread(&line.coefficients);
        Attribution { sampling: Some(sampling), ..Attribution::plain(scores) }
    }
}
