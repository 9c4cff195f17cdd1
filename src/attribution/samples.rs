//! Runs samples in rounds: all that were requested, or as many as there is time for.

use std::ops::Range;

use super::options::{OptionKind, OptionSpec, Preset};
use super::perturbation::{Mask, Perturbation};
use super::{Attribution, Cost, Extent, Options, Sampling};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput};

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

/// The option for the number of samples, of methods with noise or random path points.
pub const N_SAMPLES: OptionSpec = OptionSpec {
    name: "n_samples",
    kind: OptionKind::Integer { min: 1, max: 10_000 },
    default: Preset::Integer(25),
    help: "Number of gradients to average.",
};

/// The option for the amount of noise.
pub const NOISE_LEVEL: OptionSpec = OptionSpec {
    name: "noise_level",
    kind: OptionKind::Number { min: 0., max: 10. },
    default: Preset::Number(0.1),
    help: "Standard deviation of the Gaussian noise that is added to each word embedding, as a \
           share of the range (largest minus smallest number) of the input's embeddings.",
};

/// A possibly long computation that returns one attribution per scalar.
pub type Work = Box<dyn FnOnce() -> Vec<Attribution> + Send>;

/// Accumulates a method's samples.
pub trait Collect<T> {
    /// Adds the next sample. Called in the order of the samples.
    fn take(&mut self, sample: T);

    /// Returns the computation of scores from the samples added so far.
    fn so_far(&self) -> Work;
}

/// Runs the rows of `count` samples; see [`run_rounds`].
pub async fn run(
    passes: &Passes,
    count: usize,
    row: impl Fn(usize) -> Row,
    collect: impl Collect<RowOutput> + Sync,
) -> Result<Vec<Attribution>> {
    let outputs = |samples: Range<usize>| passes.run(samples.map(&row).collect());
    run_rounds(passes, count, outputs, collect).await
}

/// Evaluates the inputs with these units present; see [`run_rounds`].
pub async fn run_masks(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    masks: &[Mask],
    collect: impl Collect<Vec<f64>> + Sync,
) -> Result<Vec<Attribution>> {
    let values = |samples: Range<usize>| perturbation.values(passes, &masks[samples]);
    run_rounds(passes, masks.len(), values, collect).await
}

/// Takes `count` samples and returns the attributions; if time is short, those of the last complete
/// round. The first round is always taken.
async fn run_rounds<T, F: Future<Output = Result<Vec<T>>>>(
    passes: &Passes,
    count: usize,
    take: impl Fn(Range<usize>) -> F,
    mut collect: impl Collect<T> + Sync,
) -> Result<Vec<Attribution>> {
    let (mut done, mut round) = (0, FIRST_ROUND);
    while done < count {
        let size = passes.affordable(round, SMALLEST_ROUND).min(count - done);
        let samples = take(done..done + size);
        let samples = match done {
            0 => samples.await?,
            _ if !passes.have_time_for(size) => break,
            _ => match passes.in_time(samples).await.transpose()? {
                Some(samples) => samples,
                None => break,
            },
        };
        samples.into_iter().for_each(|sample| collect.take(sample));
        done += size;
        round = (2 * round).min(LARGEST_ROUND);
        if done < count {
            report(passes, done, count, &collect).await?;
        }
    }
    let with_sampling = |attribution: Attribution| {
        let fit = attribution.sampling.and_then(|sampling| sampling.fit);
        let sampling = Sampling { n_samples: done, finished: done == count, fit };
        Attribution { sampling: Some(sampling), ..attribution }
    };
    let work = collect.so_far();
    Ok(passes.compute(work).await?.into_iter().map(with_sampling).collect())
}

/// Reports the scores of the samples so far to the progress listener.
async fn report<T>(
    passes: &Passes,
    done: usize,
    total: usize,
    collect: &(impl Collect<T> + Sync),
) -> Result<()> {
    if passes.has_listener() {
        let work = collect.so_far();
        let partial = passes.compute(work).await?;
        passes.report(done, total, || scores(partial));
    }
    Ok(())
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
