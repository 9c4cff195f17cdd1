//! Attribution methods, one file each: how much each token moved the explained
//! scalar. A new one is a file and an entry of [`METHODS`].

mod attention_flow;
mod attention_gradient;
mod attention_norm;
mod attention_rollout;
pub mod baseline;
mod coalitions;
mod gradient_shap;
mod input_x_gradient;
mod integrated_gradients;
mod kernel_shap;
mod least_squares;
mod lime;
mod nested;
mod occlusion;
pub mod options;
mod owen;
mod partition_shap;
pub mod perturbation;
pub mod quadrature;
pub mod reduce;
mod saliency;
mod samples;
mod smooth_grad;
pub mod spread;

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::blocks::Pooling;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionMap, MapHeads, MapKind, Maps, Reduce, Row, Scalar, Want};
use crate::text::Encoding;
pub use options::{OptionKind, OptionSpec, OptionValue, Options};
pub use reduce::{Granularity, Normalize};

/// One input and what about it is to be explained.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub encoding: &'a Encoding,
    /// The tokens whose outputs the scalars are made of.
    pub reads: &'a Arc<[usize]>,
    /// Each is explained by itself; they share what passes they can.
    pub scalars: &'a [Scalar],
    /// The scalars at the input.
    pub values: &'a [f64],
    /// What samples are drawn from.
    pub seed: u64,
}

impl Subject<'_> {
    /// The input itself.
    pub fn row(self, want: Want) -> Row {
        Row { want, ..Row::forward(self.encoding.ids.clone(), Arc::clone(self.reads)) }
    }

    /// The tokens whose final states a scalar is made of.
    pub fn queries(self, scalar: &Scalar, model: &Model) -> Vec<usize> {
        match (model.pooling(), scalar) {
            (Pooling::First, _) => vec![0],
            (Pooling::Mean, _) => (0..self.encoding.tokens.len()).collect(),
            (Pooling::Tokens, Scalar::Cosine(_)) => Vec::new(),
            (Pooling::Tokens, Scalar::Sum { terms, .. }) => {
                let read = |&(index, _): &(usize, f64)| self.reads[index / model.outputs()];
                let mut tokens: Vec<usize> = terms.iter().map(read).collect();
                tokens.dedup();
                tokens
            }
        }
    }

    /// Maps of the input in these layers, heads together. One forward row.
    async fn maps(
        self,
        passes: &Passes,
        kind: MapKind,
        layers: Range<usize>,
    ) -> Result<Vec<AttentionMap>> {
        let maps = Maps { layers: layers.collect(), kind, heads: MapHeads::Together };
        let row = Row { maps, ..self.row(Want::Values(Vec::new())) };
        Ok(passes.run_one(row).await?.attention)
    }

    /// The gradient of each scalar at the input's word embeddings, reduced to
    /// one number a token. One row.
    async fn gradient_at_input(self, passes: &Passes, reduce: Reduce) -> Result<Vec<Attribution>> {
        let row = self.row(Want::Gradients(reduce, self.scalars.to_vec()));
        let output = passes.run_one(row).await?;
        Ok(output.token_scores.into_iter().map(Attribution::plain).collect())
    }
}

/// One scalar's scores.
#[derive(Debug, Clone)]
pub struct Attribution {
    /// `[tokens]`
    pub scores: Vec<f64>,
    /// For methods that promise it.
    pub completeness: Option<Completeness>,
    /// For methods that sample.
    pub sampling: Option<Sampling>,
}

/// What a sampling method did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Samples that the scores are made of.
    pub n_samples: usize,
    /// Whether these are all that were asked for; else time ran short.
    pub finished: bool,
    pub fit: Option<Fit>,
}

/// How well a linear surrogate says what the model does around the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub intercept: f64,
    /// Weighted coefficient of determination.
    pub r2: f64,
}

impl Attribution {
    /// Scores that promise nothing.
    pub fn plain(scores: Vec<f64>) -> Self {
        Self { scores, completeness: None, sampling: None }
    }

    /// Whether the scores are as exact as was asked for.
    fn has_converged(&self) -> bool {
        self.completeness.is_some_and(|completeness| completeness.converged)
    }
}

/// How far the scores add up to what they explain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completeness {
    /// The explained scalar at the baseline.
    pub baseline_value: f64,
    /// `Σ scores - (value at the input - value at the baseline)`
    pub convergence_delta: f64,
    /// Whether the scores are as exact as was asked for; see the method.
    pub converged: bool,
    /// Gradients that were taken along a path.
    pub n_steps: Option<usize>,
}

impl Completeness {
    /// Of scores that should add up to what lies between two values; converged
    /// where they do but for `tolerance` of the sum of their sizes.
    fn of(scores: &[f64], value: f64, baseline_value: f64, tolerance: f64) -> Self {
        let convergence_delta = scores.iter().sum::<f64>() - (value - baseline_value);
        let size: f64 = scores.iter().map(|score| score.abs()).sum();
        let converged = convergence_delta.abs() <= tolerance * size;
        Self { baseline_value, convergence_delta, converged, n_steps: None }
    }
}

/// Rows that a method runs for one input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// Of the forward rows, those that find maximum flows to each token.
    pub flow_rows: usize,
}

/// How much there is of one input to explain.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub tokens: usize,
    pub targets: usize,
    /// Tokens whose states the targets are read from.
    pub reads: usize,
}

impl Extent {
    pub fn new(model: &Model, tokens: usize, targets: usize) -> Self {
        let reads = match model.pooling() {
            Pooling::First => 1,
            Pooling::Mean => tokens,
            // A span's score is of its two ends.
            Pooling::Tokens => tokens.min(2 * targets),
        };
        Self { tokens, targets, reads }
    }
}

type Run =
    for<'a> fn(&'a Passes, Subject<'a>, &'a Options) -> BoxFuture<'a, Result<Vec<Attribution>>>;

/// An entry of [`METHODS`].
pub struct MethodEntry {
    pub name: &'static str,
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    pub options: &'static [OptionSpec],
    /// Settles what options mean for each other, before they are used or shown.
    pub settle: fn(&mut Options) -> Result<()>,
    /// Signed scores say for or against; unsigned ones only how much.
    pub signed: bool,
    /// Whether scores add up to the change from the baseline.
    pub complete: bool,
    /// Whether it stops with what it has when time is short.
    pub stops_in_time: fn(&Options) -> bool,
    /// The rows in words, for readers.
    pub cost_note: &'static str,
    pub cost: fn(&Options, of: Extent) -> Cost,
    /// One attribution a scalar.
    pub run: Run,
}

impl std::fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// For methods that do so whatever their options, and for those that do not.
const ALWAYS: fn(&Options) -> bool = |_| true;
const NEVER: fn(&Options) -> bool = |_| false;

/// For methods whose options do not bear on each other.
const AS_GIVEN: fn(&mut Options) -> Result<()> = |_| Ok(());

impl MethodEntry {
    /// The options in force where a caller gives these.
    pub fn options(&self, given: &Map<String, Value>) -> Result<Options> {
        let mut options = Options::read(self.options, given)?;
        (self.settle)(&mut options)?;
        Ok(options)
    }
}

pub static METHODS: &[MethodEntry] = &[
    integrated_gradients::ENTRY,
    saliency::ENTRY,
    input_x_gradient::ENTRY,
    smooth_grad::ENTRY,
    gradient_shap::ENTRY,
    occlusion::ENTRY,
    lime::ENTRY,
    kernel_shap::ENTRY,
    partition_shap::ENTRY,
    attention_rollout::ENTRY,
    attention_flow::ENTRY,
    attention_gradient::ENTRY,
    attention_norm::ENTRY,
];

/// The method that a request without one gets.
pub const DEFAULT_METHOD: &str = integrated_gradients::ENTRY.name;

/// The method called `name`.
pub fn find(name: &str) -> Result<&'static MethodEntry> {
    METHODS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
        let detail = format!("no method is called {name:?}; there is {}", known.join(", "));
        Error::new(Code::MethodNotSupported, detail)
    })
}
