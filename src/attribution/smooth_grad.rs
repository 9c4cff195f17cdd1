//! SmoothGrad: the gradient averaged over noisy copies of the input, like Captum's `NoiseTunnel`
//! over `Saliency(abs=False)`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::groups::{Groups, Jackknife};
use super::reduce::NORM;
use super::samples::{self, Collect, Goal, N_SAMPLES, NOISE_LEVEL, TOLERANCE, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Cost, MethodEntry, NO_ROW, Options, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::rows::{Baseline, Noise, Norm, Path, Reduce, Row, RowOutput, Want};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "smooth_grad",
    summary: "Norm of the mean gradient at each word embedding, over copies of the input with \
              noise.",
    paper: "Smilkov et al. 2017, arXiv:1706.03825",
    options: &[N_SAMPLES, NOISE_LEVEL, NORM, TOLERANCE],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: ALWAYS,
    cost_note: "n_samples gradient rows at most, fewer if the tolerance is reached",
    cost: |options, of| Cost {
        gradient_rows: of.targets * options.integer(N_SAMPLES.name).unwrap_or_default(),
        ..Cost::default()
    },
    run,
};

/// Returns `‖(1/n) Σ_i ∂F/∂e_t (e + ε_i)‖` for each token t, with word embeddings e and Gaussian
/// noise ε. Sample i draws from stream i of the seed.
fn run<'a>(
    passes: &'a Passes,
    subject: Subject<'a>,
    options: &'a Options,
) -> BoxFuture<'a, Result<Vec<Attribution>>> {
    let count = options.integer(N_SAMPLES.name).unwrap_or_default();
    let level = options.number(NOISE_LEVEL.name);
    let row = move |number: usize| {
        let noise = Noise { generator: Generator::stream(subject.seed, number as u64), level };
        // The end of a path from the zero vector is the input with its noise.
        let path = Path { baseline: Baseline::Zero, alpha: 1., noise: Some(noise), held: 0 };
        let want = Want::Gradients(Reduce::Keep, subject.scalars.to_vec());
        Row { path: Some(path), ..subject.row(want) }
    };
    let gradients = Gradients {
        tokens: subject.encoding.tokens.len(),
        norm: options.choice(NORM.name),
        samples: vec![Groups::default(); subject.scalars.len()],
    };
    let goal = Goal::new(count, options, subject.encoding);
    async move { samples::run(passes, goal, row, gradients).await }.boxed()
}

#[derive(Clone)]
struct Gradients {
    tokens: usize,
    norm: Norm,
    /// `[scalars]`, of `[tokens · hidden]`.
    samples: Vec<Groups>,
}

impl Collect<RowOutput> for Gradients {
    fn take(&mut self, output: RowOutput) {
        self.samples.iter_mut().zip(output.token_scores).for_each(|(all, one)| all.add(one));
    }

    fn so_far(&self) -> Work {
        let gradients = self.clone();
        Box::new(move || gradients.attributions())
    }
}

impl Gradients {
    fn attributions(&self) -> Vec<Attribution> {
        let sizes = |mean: &[f64]| {
            let hidden = mean.len() / self.tokens;
            mean.chunks(hidden.max(1)).map(|gradient| self.norm.of(gradient)).collect()
        };
        let of_scalar = |samples: &Groups| {
            let Jackknife { value, deviations } = samples.jackknife(sizes);
            Attribution { deviations, ..Attribution::plain(value) }
        };
        self.samples.iter().map(of_scalar).collect()
    }
}
