//! Samples in rounds: as many as were asked for, or as there is time for.

use super::options::{OptionKind, OptionSpec, Preset};
use super::{Attribution, Sampling};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput};

/// Rows of one round; small first, so that the pace is known early.
const FIRST_ROUND: usize = 16;
const LARGEST_ROUND: usize = 128;

/// What methods that take words away may cost.
pub const MAX_EVALS: OptionSpec = OptionSpec {
    name: "max_evals",
    kind: OptionKind::Integer { min: 4, max: 100_000 },
    default: Preset::Integer(500),
    help: "The most perturbed inputs that are put through the model.",
};

/// Samples of a method that adds noise, or picks points at random.
pub const N_SAMPLES: OptionSpec = OptionSpec {
    name: "n_samples",
    kind: OptionKind::Integer { min: 1, max: 10_000 },
    default: Preset::Integer(25),
    help: "Gradients that are averaged.",
};

/// How much noise.
pub const NOISE_LEVEL: OptionSpec = OptionSpec {
    name: "noise_level",
    kind: OptionKind::Number { min: 0., max: 10. },
    default: Preset::Number(0.1),
    help: "Standard deviation of the Gaussian noise that is added to each word embedding, as a \
           share of the range (largest less smallest number) of the input's embeddings.",
};

/// What a method makes of its samples.
pub trait Collect {
    /// Takes in the samples in their order.
    fn take(&mut self, output: RowOutput);

    /// One attribution a scalar, of the samples taken so far.
    fn so_far(&self) -> Result<Vec<Attribution>>;
}

/// Runs `count` samples and gives what they come to; fewer when time is short,
/// but never fewer than `least`.
pub async fn run(
    passes: &Passes,
    count: usize,
    least: usize,
    row: impl Fn(usize) -> Row,
    mut collect: impl Collect,
) -> Result<Vec<Attribution>> {
    let (mut done, mut round) = (0, FIRST_ROUND);
    while done < count {
        let size = round.min(count - done);
        if done >= least && !passes.have_time_for(size) {
            break;
        }
        let outputs = passes.run((done..done + size).map(&row).collect()).await?;
        outputs.into_iter().for_each(|output| collect.take(output));
        done += size;
        round = (2 * round).min(LARGEST_ROUND);
        if done >= least && done < count {
            passes.report(done, count, || Ok(scores(collect.so_far()?)))?;
        }
    }
    let sampled = |attribution: Attribution| {
        let fit = attribution.sampling.and_then(|sampling| sampling.fit);
        let sampling = Sampling { n_samples: done, finished: done == count, fit };
        Attribution { sampling: Some(sampling), ..attribution }
    };
    Ok(collect.so_far()?.into_iter().map(sampled).collect())
}

/// What of unfinished attributions is shown.
pub fn scores(attributions: Vec<Attribution>) -> Vec<Vec<f64>> {
    attributions.into_iter().map(|attribution| attribution.scores).collect()
}

/// `max_evals`, or as many different inputs as so many units make where that is
/// less.
pub fn or_all(max_evals: usize, units: usize) -> usize {
    if units < 20 { max_evals.min(1 << units) } else { max_evals }
}
