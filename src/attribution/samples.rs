//! Samples in rounds: as many as were asked for, or as there is time for.

use super::options::{OptionKind, OptionSpec, Preset};
use super::{Attribution, Sampling};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput};

/// Rows of one round; few first, so that there is something to answer with early.
const FIRST_ROUND: usize = 16;
const LARGEST_ROUND: usize = 128;

/// Rows of a round where time is short.
const SMALLEST_ROUND: usize = 4;

/// What methods that take words away may cost.
pub const MAX_EVALS: OptionSpec = OptionSpec {
    name: "max_evals",
    kind: OptionKind::Integer { min: 4, max: 20_000 },
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

/// Work that may take long, and gives one attribution a scalar.
pub type Work = Box<dyn FnOnce() -> Vec<Attribution> + Send>;

/// What a method makes of its samples.
pub trait Collect {
    /// Takes in the samples in their order.
    fn take(&mut self, output: RowOutput);

    /// How the samples taken so far become scores.
    fn so_far(&self) -> Work;
}

/// Runs `count` samples and gives what they come to; where time is short, what
/// those of the last complete round come to. The first round has to be done.
pub async fn run(
    passes: &Passes,
    count: usize,
    row: impl Fn(usize) -> Row,
    mut collect: impl Collect + Sync,
) -> Result<Vec<Attribution>> {
    let (mut done, mut round) = (0, FIRST_ROUND);
    while done < count {
        let size = passes.affordable(round, SMALLEST_ROUND).min(count - done);
        let rows = (done..done + size).map(&row).collect();
        let outputs = match done {
            0 => passes.run(rows).await?,
            _ if !passes.have_time_for(size) => break,
            _ => match passes.run_in_time(rows).await? {
                Some(outputs) => outputs,
                None => break,
            },
        };
        outputs.into_iter().for_each(|output| collect.take(output));
        done += size;
        round = (2 * round).min(LARGEST_ROUND);
        if done < count {
            report(passes, done, count, &collect).await?;
        }
    }
    let sampled = |attribution: Attribution| {
        let fit = attribution.sampling.and_then(|sampling| sampling.fit);
        let sampling = Sampling { n_samples: done, finished: done == count, fit };
        Attribution { sampling: Some(sampling), ..attribution }
    };
    let work = collect.so_far();
    Ok(passes.compute(work).await?.into_iter().map(sampled).collect())
}

/// Tells a follower what the samples taken so far come to.
async fn report(
    passes: &Passes,
    done: usize,
    of: usize,
    collect: &(impl Collect + Sync),
) -> Result<()> {
    if passes.is_followed() {
        let work = collect.so_far();
        let so_far = passes.compute(work).await?;
        passes.report(done, of, || scores(so_far));
    }
    Ok(())
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
