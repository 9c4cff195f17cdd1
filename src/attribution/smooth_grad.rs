//! SmoothGrad: the gradient averaged over noisy copies of the input, like Captum's `NoiseTunnel`
//! over `Saliency(abs=False)`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::reduce::NORM;
use super::samples::{self, Collect, N_SAMPLES, NOISE_LEVEL, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Cost, MethodEntry, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::rows::{Baseline, Noise, Norm, Path, Reduce, Row, RowOutput, Want};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "smooth_grad",
    summary: "Norm of the mean gradient at each word embedding, over copies of the input with \
              noise.",
    paper: "Smilkov et al. 2017, arXiv:1706.03825",
    options: &[N_SAMPLES, NOISE_LEVEL, NORM],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    stops_in_time: ALWAYS,
    cost_note: "n_samples gradient rows",
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
    let sums = Sums {
        tokens: subject.encoding.tokens.len(),
        norm: options.choice(NORM.name),
        count: 0,
        gradients: vec![Vec::new(); subject.scalars.len()],
    };
    samples::run(passes, count, row, sums).boxed()
}

/// The sums of the gradients of all samples.
#[derive(Clone)]
struct Sums {
    tokens: usize,
    norm: Norm,
    count: usize,
    /// `[scalars][tokens · hidden]`
    gradients: Vec<Vec<f64>>,
}

impl Collect<RowOutput> for Sums {
    fn take(&mut self, output: RowOutput) {
        self.count += 1;
        for (sum, gradient) in self.gradients.iter_mut().zip(output.token_scores) {
            match sum.is_empty() {
                true => *sum = gradient,
                false => sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g),
            }
        }
    }

    fn so_far(&self) -> Work {
        let sums = self.clone();
        Box::new(move || sums.attributions())
    }
}

impl Sums {
    fn attributions(&self) -> Vec<Attribution> {
        let count = self.count as f64;
        let size = |gradient: &[f64]| self.norm.of(gradient) / count;
        let of_scalar = |sum: &Vec<f64>| {
            let hidden = sum.len() / self.tokens;
            Attribution::plain(sum.chunks(hidden.max(1)).map(size).collect())
        };
        self.gradients.iter().map(of_scalar).collect()
    }
}
