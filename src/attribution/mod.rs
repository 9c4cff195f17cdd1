//! Attribution methods, one per file: each scores how much every token contributes to a scalar. To
//! add a method, create a file with an `ENTRY` and list it in [`METHODS`].
//!
//! The reasons for the design: docs/concepts/attribution.md.

mod attention_flow;
mod attention_gradient;
mod attention_norm;
mod attention_rollout;
pub mod baseline;
mod coalitions;
mod deviations;
mod enumeration;
mod gradient_shap;
mod groups;
mod input_x_gradient;
pub mod integrated_gradients;
pub mod interactions;
mod kernel_shap;
pub mod layer;
mod least_squares;
mod lime;
pub mod nested;
mod occlusion;
pub mod options;
mod owen;
mod pair_interactions;
mod partition_shap;
pub mod perturbation;
pub mod quadrature;
pub mod reduce;
mod saliency;
mod samples;
mod shapley_interactions;
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
pub use interactions::{Interactions, PairScore, Pairs, UnitPairs};
pub use options::{OptionKind, OptionSpec, OptionValue, Options};
pub use perturbation::{MaskValues, UnitKind};
pub use reduce::{Granularity, Normalize};

/// An input and the scalars of its output to explain.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub encoding: &'a Encoding,
    /// Positions of the tokens whose outputs the scalars are computed from.
    pub reads: &'a Arc<[usize]>,
    /// Explained independently of each other; methods share passes between them where possible.
    pub scalars: &'a [Scalar],
    /// Values of the scalars at the unperturbed input.
    pub values: &'a [f64],
    /// Values of the scalars at perturbed inputs.
    pub mask_values: &'a MaskValues,
    /// Seed of all random draws.
    pub seed: u64,
}

impl Subject<'_> {
    /// Builds a row that runs the unperturbed input.
    pub fn row(self, want: Want) -> Row {
        Row { want, ..Row::forward(self.encoding.ids.clone(), Arc::clone(self.reads)) }
    }

    /// Returns the positions of the tokens whose final hidden states `scalar` depends on.
    pub fn queries(self, scalar: &Scalar, model: &Model) -> Vec<usize> {
        match (model.pooling(), scalar) {
            (Pooling::Whole(pool), _) => pool.reads(self.encoding.tokens.len()),
            (Pooling::Tokens, Scalar::Cosine(_) | Scalar::Highest(_)) => Vec::new(),
            (Pooling::Tokens, Scalar::Sum { terms, .. }) => {
                let read = |&(index, _): &(usize, f64)| self.reads[index / model.outputs()];
                let mut tokens: Vec<usize> = terms.iter().map(read).collect();
                tokens.dedup();
                tokens
            }
        }
    }

    /// Returns the attention maps of `layers`, with all heads combined. Runs one forward row.
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

    /// Builds the row of the gradients with respect to the layer that `options` select.
    fn gradient_row(self, model: &Model, reduce: Reduce, options: &Options) -> Result<Row> {
        let layer = layer::resolve(model, options)?;
        Ok(Row { layer, ..self.row(Want::Gradients(reduce, self.scalars.to_vec())) })
    }

    /// Returns the gradient of each scalar with respect to the layer that `options` select,
    /// reduced to one number per token. Runs one row.
    async fn gradient_at_input(
        self,
        passes: &Passes,
        reduce: Reduce,
        options: &Options,
    ) -> Result<Vec<Attribution>> {
        let row = self.gradient_row(passes.model(), reduce, options)?;
        let output = passes.run_one(row).await?;
        Ok(output.token_scores.into_iter().map(Attribution::plain).collect())
    }
}

/// The token scores of one scalar.
#[derive(Debug, Clone)]
pub struct Attribution {
    /// `[tokens]`
    pub scores: Vec<f64>,
    /// Set by methods whose scores add up to the change from a baseline.
    pub completeness: Option<Completeness>,
    /// Set by methods that sample.
    pub sampling: Option<Sampling>,
    /// The uncertainty of the scores: vectors, `[tokens]` each, whose outer products sum to the
    /// scores' covariance. The variance of a sum of scores is the sum of the squares of the same sum
    /// in each vector. Empty if the scores are exact.
    pub deviations: Vec<Vec<f64>>,
    /// What pairs of units do beyond their scores. Set by methods that find interactions.
    pub interactions: Option<Interactions>,
}

/// How many samples a method used, and how good they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Number of samples behind the scores.
    pub n_samples: usize,
    /// Whether sampling ended as requested; `false` if time ran short.
    pub finished: bool,
    /// Whether the standard errors of the words are within the tolerance.
    pub converged: bool,
    pub fit: Option<Fit>,
}

/// How well a linear surrogate fits the model around the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub intercept: f64,
    /// Weighted coefficient of determination.
    pub r2: f64,
    /// Share of the coefficients' norm that the penalty takes away.
    pub shrinkage: f64,
}

impl Attribution {
    /// Creates an attribution that has only scores.
    pub fn plain(scores: Vec<f64>) -> Self {
        Self {
            scores,
            completeness: None,
            sampling: None,
            deviations: Vec::new(),
            interactions: None,
        }
    }

    /// Returns whether the scores are within the requested tolerance.
    fn has_converged(&self) -> bool {
        self.completeness.is_some_and(|completeness| completeness.converged)
    }
}

/// How closely the scores add up to the change that they explain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completeness {
    /// Value of the explained scalar at the baseline.
    pub baseline_value: f64,
    /// `Σ scores - (value at the input - value at the baseline)`
    pub convergence_delta: f64,
    /// Whether the scores are within the requested tolerance, as defined by the method.
    pub converged: bool,
    /// Number of gradients evaluated along the path.
    pub n_steps: Option<usize>,
}

impl Completeness {
    /// Compares the sum of `scores` with `value - baseline_value`. Converged if they differ by at
    /// most `tolerance` times `Σ |score|`.
    fn of(scores: &[f64], value: f64, baseline_value: f64, tolerance: f64) -> Self {
        let convergence_delta = scores.iter().sum::<f64>() - (value - baseline_value);
        let size: f64 = scores.iter().map(|score| score.abs()).sum();
        let converged = convergence_delta.abs() <= tolerance * size;
        Self { baseline_value, convergence_delta, converged, n_steps: None }
    }
}

/// Number of rows that a method runs for one input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// How many of the forward rows also compute maximum flows to every token.
    pub flow_rows: usize,
    /// Forward rows through a single layer.
    pub layer_rows: usize,
    /// Work of maps besides that of their rows, in tokens of a forward pass.
    pub map_load: usize,
}

/// The dimensions of an input that determine a method's cost.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub tokens: usize,
    pub targets: usize,
    pub pairs: UnitPairs,
    /// Number of tokens whose hidden states the targets are read from.
    pub reads: usize,
    pub layers: usize,
    /// Work of one layer's map of [`MapKind::Norms`], in tokens of a forward pass.
    pub norm_load: usize,
}

impl Extent {
    pub fn new(model: &Model, tokens: usize, pairs: UnitPairs, targets: usize) -> Self {
        let reads = match model.pooling() {
            Pooling::Whole(pool) => pool.reads(tokens).len(),
            // A span's score depends on the tokens at its two ends.
            Pooling::Tokens => tokens.min(2 * targets),
        };
        let norm_load = model.map_load(MapKind::Norms, tokens);
        Self { tokens, targets, pairs, reads, layers: model.layers(), norm_load }
    }
}

type RowAtInput = for<'a> fn(&Model, Subject<'a>, &Options) -> Option<Row>;

type Run =
    for<'a> fn(&'a Passes, Subject<'a>, &'a Options) -> BoxFuture<'a, Result<Vec<Attribution>>>;

/// Explains two texts that are embedded separately, given each as a function of its own text.
type RunApart = for<'a> fn(
    &'a Passes,
    [Subject<'a>; 2],
    &'a Options,
) -> BoxFuture<'a, Result<[Vec<Attribution>; 2]>>;

/// Which pairs of units a method scores.
#[derive(Clone, Copy)]
pub enum PairsOf {
    None,
    /// Of all units of a text, which has at most this many.
    AllUnits {
        most: usize,
    },
    /// A unit of one text with a unit of the other. [`MethodEntry::run`] explains two texts that
    /// are read together.
    TwoTexts(RunApart),
}

impl PairsOf {
    /// Returns how many numbers the pairs of `units` units have at most.
    pub fn numbers(self, units: usize) -> usize {
        match self {
            Self::None => 0,
            // Two indices, a score and its standard error each.
            Self::AllUnits { .. } => 4 * (units * units.saturating_sub(1) / 2),
            Self::TwoTexts(_) => units * units / 4,
        }
    }
}

/// An entry of [`METHODS`].
pub struct MethodEntry {
    pub name: &'static str,
    pub summary: &'static str,
    /// The publication that introduced the method.
    pub paper: &'static str,
    pub options: &'static [OptionSpec],
    /// Resolves dependencies between options, before they are used or echoed.
    pub settle: fn(&mut Options) -> Result<()>,
    /// Whether the sign of a score has a meaning; otherwise scores are magnitudes.
    pub signed: bool,
    /// Whether scores add up to the change from the baseline.
    pub complete: bool,
    /// The pairs of units that it scores too.
    pub pairs: PairsOf,
    /// The gradient row at the input itself that the method runs first, if there is one: it can be the
    /// first pass, too.
    pub row_at_input: RowAtInput,
    /// Whether the method returns partial scores when time runs short.
    pub stops_in_time: fn(&Options) -> bool,
    /// The cost in words, for humans.
    pub cost_note: &'static str,
    pub cost: fn(&Options, of: Extent) -> Cost,
    /// Returns one attribution per scalar.
    pub run: Run,
}

impl std::fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Values of `stops_in_time` that do not depend on the options.
const ALWAYS: fn(&Options) -> bool = |_| true;
const NEVER: fn(&Options) -> bool = |_| false;

/// The `row_at_input` of methods without one.
const NO_ROW: RowAtInput = |_, _, _| None;

/// The `settle` of methods whose options are independent of each other.
const AS_GIVEN: fn(&mut Options) -> Result<()> = |_| Ok(());

impl MethodEntry {
    /// Returns whether the scores may have standard errors.
    pub fn samples(&self) -> bool {
        let bounds = [samples::MAX_EVALS.name, samples::N_SAMPLES.name];
        self.options.iter().any(|option| bounds.contains(&option.name))
    }

    /// Returns whether it needs nothing but predictions of the input without some units.
    pub fn perturbs(&self) -> bool {
        self.options.iter().any(|option| option.name == perturbation::REPLACEMENT.name)
            && !matches!(self.pairs, PairsOf::TwoTexts(_))
    }

    /// Validates the options in `given`, fills in defaults and resolves dependencies.
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
    shapley_interactions::ENTRY,
    pair_interactions::ENTRY,
    attention_rollout::ENTRY,
    attention_flow::ENTRY,
    attention_gradient::ENTRY,
    attention_norm::ENTRY,
];

/// The method of requests that name none.
pub const DEFAULT_METHOD: &str = integrated_gradients::ENTRY.name;

/// Returns the method of requests to a model that name none.
pub fn default_for(model: &Model) -> &'static str {
    if model.is_remote() { kernel_shap::ENTRY.name } else { DEFAULT_METHOD }
}

/// Returns the methods whose attributions say all that they find: those without scores of pairs.
pub fn without_pairs() -> impl Iterator<Item = &'static MethodEntry> {
    METHODS.iter().filter(|entry| matches!(entry.pairs, PairsOf::None))
}

/// Returns the method called `name`.
pub fn find(name: &str) -> Result<&'static MethodEntry> {
    METHODS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
        let detail = format!("no method is called {name:?}; available: {}", known.join(", "));
        Error::new(Code::MethodNotSupported, detail)
    })
}
