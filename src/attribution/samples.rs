//! Runs samples in rounds: until the scores are within the tolerance, or all that were requested,
//! or as many as there is time for.

use std::ops::Range;

use super::options::{OptionKind, OptionSpec, Preset};
use super::perturbation::{Mask, Perturbation};
use super::{
    Attribution, Completeness, Cost, Extent, Granularity, Interactions, Normalize, Options,
    Sampling, reduce,
};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput, norm};
use crate::text::Encoding;

/// Rows per round. The first round is small, so that there are partial scores early.
const FIRST_ROUND: usize = 16;
const LARGEST_ROUND: usize = 128;

/// Smallest number of rows per round when time is short.
const SMALLEST_ROUND: usize = 4;

/// The option for how many inputs a perturbation method may run.
pub const MAX_EVALS: OptionSpec = OptionSpec {
    name: "max_evals",
    kind: OptionKind::Integer { min: 4, max: 20_000 },
    default: Preset::Integer(500),
    help: "Maximum number of perturbed inputs to run through the model.",
};

/// The option for when to stop sampling.
pub const TOLERANCE: OptionSpec = OptionSpec {
    name: "tolerance",
    kind: OptionKind::Number { min: 0., max: 1. },
    default: Preset::Number(0.05),
    help: "Sampling ends as soon as the Euclidean norm of the words' standard errors is at most \
           this share of the norm of the words' scores; converged says whether it is. 0 takes all \
           samples.",
};

/// The option for the number of samples, of methods with noise or random path points.
pub const N_SAMPLES: OptionSpec = OptionSpec {
    name: "n_samples",
    kind: OptionKind::Integer { min: 1, max: 10_000 },
    default: Preset::Integer(25),
    help: "Maximum number of gradients to average.",
};

/// The option for the amount of noise.
pub const NOISE_LEVEL: OptionSpec = OptionSpec {
    name: "noise_level",
    kind: OptionKind::Number { min: 0., max: 10. },
    default: Preset::Number(0.1),
    help: "Standard deviation of the Gaussian noise that is added to each word embedding, as a \
           share of the range (largest minus smallest number) of the input's embeddings.",
};

/// When to stop.
#[derive(Clone, Copy)]
pub struct Goal<'a> {
    /// Maximum number of samples.
    pub count: usize,
    pub tolerance: f64,
    pub encoding: &'a Encoding,
}

impl<'a> Goal<'a> {
    /// Takes up to `count` samples, with the tolerance of a method's options.
    pub fn new(count: usize, options: &Options, encoding: &'a Encoding) -> Self {
        Self { count, tolerance: options.number(TOLERANCE.name), encoding }
    }

    /// Returns whether the standard errors of words and of pairs are within the tolerance.
    pub fn is_reached(self, attribution: &Attribution) -> bool {
        let Attribution { scores, deviations, interactions, .. } = attribution;
        let (unit, how) = (Granularity::Word, Normalize::None);
        let mut errors = reduce::errors(scores, deviations, self.encoding, unit, how);
        let mut scores = reduce::scores(scores, self.encoding, unit, how);
        if let Some(Interactions { pairs, .. }) = interactions {
            let pairs = pairs.ranked();
            errors.extend(pairs.iter().map(|pair| pair.standard_error));
            scores.extend(pairs.iter().map(|pair| pair.score));
        }
        norm(&errors) <= self.tolerance * norm(&scores)
    }

    /// Adds how many samples were taken, and whether their scores are within the tolerance.
    pub fn judged(self, attribution: Attribution, n_samples: usize, finished: bool) -> Attribution {
        let converged = self.is_reached(&attribution);
        let fit = attribution.sampling.and_then(|sampling| sampling.fit);
        let completeness = attribution.completeness.map(|sum| Completeness { converged, ..sum });
        let finished = finished || converged;
        let sampling = Some(Sampling { n_samples, finished, converged, fit });
        Attribution { completeness, sampling, ..attribution }
    }
}

/// A possibly long computation that returns one attribution per scalar.
pub type Work = Box<dyn FnOnce() -> Vec<Attribution> + Send>;

/// Accumulates a method's samples.
pub trait Collect<T> {
    /// Adds the next sample. Called in the order of the samples.
    fn take(&mut self, sample: T);

    /// Returns the computation of scores from the samples added so far.
    fn so_far(&self) -> Work;
}

/// Runs the rows of samples; see [`run_rounds`].
pub async fn run(
    passes: &Passes,
    goal: Goal<'_>,
    row: impl Fn(usize) -> Row,
    collect: impl Collect<RowOutput> + Sync,
) -> Result<Vec<Attribution>> {
    let outputs = |samples: Range<usize>| passes.run(samples.map(&row).collect());
    run_rounds(passes, goal, outputs, collect).await
}

/// Evaluates the inputs with these units present; see [`run_rounds`].
pub async fn run_masks(
    passes: &Passes,
    goal: Goal<'_>,
    perturbation: &Perturbation<'_>,
    masks: &[Mask],
    collect: impl Collect<Vec<f64>> + Sync,
) -> Result<Vec<Attribution>> {
    let values = |samples: Range<usize>| perturbation.values(passes, &masks[samples]);
    run_rounds(passes, goal, values, collect).await
}

/// Takes samples until every scalar has reached the goal, and returns the attributions; if time is
/// short, those of the samples so far, which are not finished. Whether the goal is reached is asked
/// at the ends of rounds only, which do not depend on time, so that answers do not either. The
/// scores of a scalar that has reached the goal are final: scalars do not depend on each other.
async fn run_rounds<T, F: Future<Output = Result<Vec<T>>>>(
    passes: &Passes,
    goal: Goal<'_>,
    take: impl Fn(Range<usize>) -> F,
    mut collect: impl Collect<T> + Sync,
) -> Result<Vec<Attribution>> {
    let (mut done, mut round) = (0, FIRST_ROUND);
    let mut results: Vec<Attribution> = Vec::new();
    // Otherwise, scores are computed only once.
    let is_watched = goal.tolerance > 0. || passes.has_listener();
    while done < goal.count && (results.is_empty() || !results.iter().all(is_converged)) {
        let end = goal.count.min(done + round);
        round = (2 * round).min(LARGEST_ROUND);
        done = fill(passes, done..end, &take, &mut collect).await?;
        let is_cut = done < end;
        if is_watched || is_cut || done == goal.count {
            let new = passes.compute(collect.so_far()).await?.into_iter();
            let new = new.map(|one| goal.judged(one, done, done == goal.count));
            let new = new.map(|one| if is_cut { unfinished(one) } else { one });
            results = updated(results, new.collect());
            passes.report(done, goal.count, || scores(results.clone()));
        }
        if is_cut {
            break;
        }
    }
    Ok(results)
}

/// Takes these samples, in parts if time is short, and returns the end of those that were taken. The
/// first part of all is always taken.
async fn fill<T, F: Future<Output = Result<Vec<T>>>>(
    passes: &Passes,
    samples: Range<usize>,
    take: &impl Fn(Range<usize>) -> F,
    collect: &mut (impl Collect<T> + Sync),
) -> Result<usize> {
    let mut done = samples.start;
    while done < samples.end {
        let left = samples.end - done;
        let size = passes.affordable(left, SMALLEST_ROUND).min(left);
        let taken = take(done..done + size);
        let taken = match done {
            0 => Some(taken.await?),
            _ if !passes.have_time_for(size) => None,
            _ => passes.in_time(taken).await.transpose()?,
        };
        let Some(taken) = taken else { break };
        taken.into_iter().for_each(|sample| collect.take(sample));
        done += size;
    }
    Ok(done)
}

/// Marks an attribution as cut short, even if it is within the tolerance.
pub fn unfinished(mut attribution: Attribution) -> Attribution {
    attribution.sampling.iter_mut().for_each(|sampling| sampling.finished = false);
    attribution
}

/// Returns whether the scores are within the tolerance.
pub fn is_converged(attribution: &Attribution) -> bool {
    attribution.sampling.is_some_and(|sampling| sampling.converged)
}

/// Returns the new scores, or the old ones where they were within the tolerance: those are final.
pub fn updated(old: Vec<Attribution>, new: Vec<Attribution>) -> Vec<Attribution> {
    let mut old = old.into_iter();
    let update = |new| old.next().filter(is_converged).unwrap_or(new);
    new.into_iter().map(update).collect()
}

/// Extracts the scores, `[scalars][tokens]`.
pub fn scores(attributions: Vec<Attribution>) -> Vec<Vec<f64>> {
    attributions.into_iter().map(|attribution| attribution.scores).collect()
}

/// Returns the cost of running `max_evals` masks, of which distinct ones are run.
pub fn masks_cost(options: &Options, of: Extent) -> Cost {
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    Cost { forward_rows: evaluations(max_evals, of.tokens), ..Cost::default() }
}

/// Returns the number of distinct inputs that `units` units make, or `max_evals` if that is less.
pub fn evaluations(max_evals: usize, units: usize) -> usize {
    if units < 20 { max_evals.min(1 << units) } else { max_evals }
}
