//! GradientSHAP: integrated gradients sampled at random points of the path, with noise added to the
//! input. Equals Captum's `GradientShap`.

use futures_util::FutureExt;

use super::groups::{Groups, Jackknife};
use super::options::{OptionSpec, Preset};
use super::samples::{self, Collect, Goal, N_SAMPLES, NOISE_LEVEL, TOLERANCE, Work};
use super::{
    ALWAYS, AS_GIVEN, Attribution, Completeness, Cost, MethodEntry, NO_ROW, Options, PairsOf,
    Subject, baseline,
};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::rows::{Baseline, Noise, Path, Reduce, Row, RowOutput, Want};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "gradient_shap",
    summary: "Expected gradients: gradient times difference from the baseline, at random points \
              between baseline and noisy input; adds up to the change in expectation.",
    paper: "Lundberg & Lee 2017, arXiv:1705.07874; Erion et al. 2019, arXiv:1906.10670",
    options: &[
        baseline::OPTION,
        N_SAMPLES,
        OptionSpec { default: Preset::Number(0.), ..NOISE_LEVEL },
        TOLERANCE,
    ],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: ALWAYS,
    cost_note: "n_samples gradient rows at most, fewer if the tolerance is reached, and 1 forward row",
    cost: |options, of| Cost {
        forward_rows: 1,
        gradient_rows: of.targets * options.integer(N_SAMPLES.name).unwrap_or_default(),
        ..Cost::default()
    },
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Returns `score_t = (1/n) Σ_i Σ_d (x_i - x')_td ∂F(x' + α_i (x_i - x'))/∂x_td` with
/// `x_i = x + ε_i` and α uniform in [0, 1), at the word embeddings. Sample i draws α_i and then ε_i
/// from stream i of the seed.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let baseline = baseline::resolve(passes.model(), subject.encoding, options)?;
    let level = options.number(NOISE_LEVEL.name);
    let on_path = |alpha: f64, noise: Option<Noise>, want: Want| {
        let path = Path { baseline: Baseline::clone(&baseline), alpha, noise, held: 0 };
        Row { path: Some(path), ..subject.row(want) }
    };
    let scalars = || subject.scalars.to_vec();
    let at_baseline = passes.run_one(on_path(0., None, Want::Values(scalars()))).await?;
    let row = |number: usize| {
        let mut generator = Generator::stream(subject.seed, number as u64);
        let alpha = generator.uniform();
        let noise = (level > 0.).then_some(Noise { generator, level });
        on_path(alpha, noise, Want::Gradients(Reduce::TimesDifference, scalars()))
    };
    let count = options.integer(N_SAMPLES.name).unwrap_or_default();
    let means = Means {
        values: subject.values.to_vec(),
        baseline_values: at_baseline.values,
        samples: vec![Groups::default(); subject.scalars.len()],
    };
    samples::run(passes, Goal::new(count, options, subject.encoding), row, means).await
}

#[derive(Clone)]
struct Means {
    values: Vec<f64>,
    baseline_values: Vec<f64>,
    /// `[scalars]`, of `[tokens]`.
    samples: Vec<Groups>,
}

impl Collect<RowOutput> for Means {
    fn take(&mut self, output: RowOutput) {
        self.samples.iter_mut().zip(output.token_scores).for_each(|(all, one)| all.add(one));
    }

    fn so_far(&self) -> Work {
        let means = self.clone();
        Box::new(move || means.attributions())
    }
}

impl Means {
    fn attributions(&self) -> Vec<Attribution> {
        let of_scalar = |(k, samples): (usize, &Groups)| {
            let Jackknife { value: scores, deviations } = samples.jackknife(<[f64]>::to_vec);
            let (value, baseline_value) = (self.values[k], self.baseline_values[k]);
            // Whether the scores have converged is for their standard errors to say.
            let completeness = Some(Completeness::of(&scores, value, baseline_value, 0.));
            Attribution { completeness, deviations, ..Attribution::plain(scores) }
        };
        self.samples.iter().enumerate().map(of_scalar).collect()
    }
}
