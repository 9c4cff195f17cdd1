//! LIME: a linear surrogate of the model around the input, fitted to inputs without some words.
//! Like the package lime's text explainer with every word kept.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;

use super::deviations::of_covariance;
use super::enumeration::{self, FEW_UNITS};
use super::least_squares::{Sample, ridge};
use super::options::{OptionKind, OptionSpec, Preset};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, UnitKind, Units, random_mask};
use super::samples::{self, Collect, Goal, MAX_EVALS, TOLERANCE, Work};
use super::{ALWAYS, Attribution, Fit, MethodEntry, NO_ROW, Options, PairsOf, Sampling, Subject};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::random::Generator;
use crate::rows::norm;
use crate::shapley::binomial;
use crate::text::Encoding;

const KERNEL_WIDTH: OptionSpec = OptionSpec {
    name: "kernel_width",
    kind: OptionKind::Number { min: 1., max: 1000. },
    default: Preset::Number(25.),
    help: "Width of the kernel that weights a sample by its distance from the input, 0 to 100.",
};

const ALPHA: OptionSpec = OptionSpec {
    name: "alpha",
    kind: OptionKind::Number { min: 0., max: 1000. },
    default: Preset::Number(1.),
    help: "Penalty of the ridge regression, for max_evals samples.",
};

const DISTINCT_WORDS: OptionSpec = OptionSpec {
    name: "distinct_words",
    kind: OptionKind::Boolean,
    default: Preset::Boolean(false),
    help: "Whether equal words are one unit, present or absent everywhere (the package lime's bag \
           of words); needs unit word.",
};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "lime",
    summary: "Coefficients of a linear model fitted to the explained scalar without random units, \
              weighted by their proximity to the input; says how well it fits (r2). All \
              combinations of up to 8 units.",
    paper: "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
    options: &[UNIT, REPLACEMENT, MAX_EVALS, TOLERANCE, KERNEL_WIDTH, ALPHA, DISTINCT_WORDS],
    settle,
    signed: true,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows at most, or 2 to the number of units if that is less; fewer \
                if the tolerance is reached",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

fn settle(options: &mut Options) -> Result<()> {
    if options.is_set(DISTINCT_WORDS.name)
        && options.choice::<UnitKind>(UNIT.name) != UnitKind::Word
    {
        let pointer = format!("/{}", DISTINCT_WORDS.name);
        return Err(Error::field(pointer, "distinct_words needs unit word"));
    }
    Ok(())
}

/// Fits a ridge regression of F to the presence of units. Each sample is weighted by
/// `sqrt(exp(-d²/width²))`, where d is 100 times the cosine distance from the full input. The first
/// sample is the input; the others lack between 1 and all units, drawn from stream 0 of the seed.
/// Of a few units, all combinations are run, with the weights that they have on average.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = match options.is_set(DISTINCT_WORDS.name) {
        true => {
            let units = distinct_words(subject.encoding);
            Perturbation::of(passes.model(), subject, options, units)?
        }
        false => Perturbation::by(passes.model(), subject, options)?,
    };
    let count = options.integer(MAX_EVALS.name).unwrap_or_default();
    let units = perturbation.count();
    let surrogate = |samples| Surrogate {
        units: Arc::clone(perturbation.units()),
        samples,
        alpha: options.number(ALPHA.name),
        values: vec![Vec::new(); subject.scalars.len()],
    };
    let width = options.number(KERNEL_WIDTH.name);
    let sampled = async {
        let seed = subject.seed;
        let samples = Arc::new(passes.compute(move || draw(units, count, width, seed)).await?);
        let masks: Vec<Mask> = samples.iter().map(|sample| sample.present.clone()).collect();
        let goal = Goal::new(count, options, subject.encoding);
        samples::run_masks(passes, goal, &perturbation, &masks, surrogate(samples)).await
    };
    if units > FEW_UNITS || !enumeration::is_allowed(units, count) {
        return sampled.await;
    }
    let exact = |all: Vec<Vec<f64>>| {
        let mut surrogate = surrogate(Arc::new(average(units, count, width)));
        all.into_iter().for_each(|values| surrogate.take(values));
        let goal = Goal::new(1 << units, options, subject.encoding);
        let exact = |one| Attribution { deviations: Vec::new(), ..one };
        let judged = |one| goal.judged(exact(one), goal.count, true);
        ready(Ok(surrogate.so_far()().into_iter().map(judged).collect()))
    };
    enumeration::exact_or(passes, &perturbation, subject, exact, sampled).await
}

/// Returns the tokens of each different word, in the order of first occurrence.
fn distinct_words(encoding: &Encoding) -> Vec<Vec<usize>> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for word in encoding.words.iter().filter(|word| !word.tokens.is_empty()) {
        let next = units.len();
        match *index.entry(word.text.as_str()).or_insert(next) {
            known if known < next => units[known].extend(&word.tokens),
            _ => units.push(word.tokens.clone()),
        }
    }
    units
}

fn draw(units: usize, count: usize, width: f64, seed: u64) -> Vec<Sample> {
    let mut generator = Generator::stream(seed, 0);
    let sample = |number: usize| {
        let present = match number {
            0 => vec![true; units],
            _ => random_mask(&mut generator, units),
        };
        let weight = proximity(&present, width);
        Sample { present, weight }
    };
    (0..count).map(sample).collect()
}

/// Returns every combination of units, weighted like `count` samples on average: one of the input,
/// and for each number of absent units the same share of the others.
fn average(units: usize, count: usize, width: f64) -> Vec<Sample> {
    let sample = |bits: usize| {
        let present = enumeration::mask(bits, units);
        let absent = units - bits.count_ones() as usize;
        let of_size = binomial(units, absent);
        let times = match absent {
            0 => 1.,
            _ => (count - 1) as f64 / (units as f64 * of_size),
        };
        Sample { weight: times * proximity(&present, width), present }
    };
    (0..1 << units).map(sample).collect()
}

fn proximity(present: &[bool], width: f64) -> f64 {
    let share = present.iter().filter(|present| **present).count() as f64 / present.len() as f64;
    let distance = 100. * (1. - share.sqrt());
    (-(distance / width).powi(2)).exp().sqrt()
}

#[derive(Clone)]
struct Surrogate {
    units: Arc<Units>,
    samples: Arc<Vec<Sample>>,
    /// Penalty for all samples.
    alpha: f64,
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
    /// The penalty is the share of the samples so far, so that it weighs as much at any cut.
    fn solve(&self, values: &[f64]) -> Attribution {
        let samples = &self.samples[..values.len()];
        let line =
            ridge(samples, values, self.alpha * values.len() as f64 / self.samples.len() as f64);
        let free = norm(&ridge(samples, values, 0.).coefficients);
        let shrinkage = if free > 0. { 1. - norm(&line.coefficients) / free } else { 0. };
        let fit = Fit { intercept: line.intercept, r2: line.r2, shrinkage };
        let sampling =
            Sampling { n_samples: values.len(), finished: false, converged: false, fit: Some(fit) };
        let vectors = of_covariance(line.covariance);
        Attribution {
            sampling: Some(sampling),
            deviations: vectors.iter().map(|vector| self.units.spread(vector)).collect(),
            ..Attribution::plain(self.units.spread(&line.coefficients))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_weights_are_those_of_many_draws() {
        let (units, count) = (3, 40_000);
        let average = average(units, count, 25.);
        for one in &average {
            let drawn: f64 = draw(units, count, 25., 5)
                .iter()
                .filter(|sample| sample.present == one.present)
                .map(|sample| sample.weight)
                .sum();
            assert!((drawn - one.weight).abs() <= 0.05 * one.weight + 1e-9, "{:?}", one.present);
        }
    }
}
