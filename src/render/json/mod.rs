//! JSON responses. Numbers are written as f32: the models compute in it, and it halves the digits.

mod concepts;
mod convert;
mod inside;
mod interactions;
mod lines;
mod nested;
mod option;
mod prediction;
mod target;
mod trust;
mod windows;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::evidence::beside::EvidenceBody;
use super::summary::Summary;

pub use concepts::{Concept, LocatedConcept, concept};
pub use convert::{explain, model_echo, option, predict, usage};
pub use inside::Inside;
pub use lines::{Line, line};
pub use nested::Nested;
pub use option::{Number, OptionValue};
pub use prediction::{Prediction, PredictionBody};
pub use trust::{Agreement, Measured, Warning};
pub use windows::WindowPart;

/// Response of POST /explain.
#[derive(Serialize, ToSchema)]
pub struct ExplainResponse<E> {
    pub model: ModelEcho,
    /// One per input, in the order of the inputs.
    pub results: Vec<ExplainItem<E>>,
    pub usage: Usage,
}

/// The explanation of one input, or its error.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ExplainItem<E> {
    Explained(Box<Explained>),
    Failed(Failed<E>),
}

/// Response of POST /predict.
#[derive(Serialize, ToSchema)]
pub struct PredictResponse<E> {
    pub model: ModelEcho,
    /// One per input, in the order of the inputs.
    pub results: Vec<PredictItem<E>>,
    pub usage: Usage,
}

/// The predictions of one input, or its error.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum PredictItem<E> {
    Predicted(Predicted),
    Failed(Failed<E>),
}

/// The predictions of one input.
#[derive(Serialize, ToSchema)]
pub struct Predicted {
    pub id: Option<String>,
    #[serde(flatten)]
    pub prediction: PredictionBody,
    /// Whether the input was truncated to the model's maximum length.
    pub truncated: bool,
}

/// An input with an error. The other inputs have results.
#[derive(Serialize, ToSchema)]
pub struct Failed<E> {
    pub id: Option<String>,
    pub error: E,
}

/// The model and its device and types.
#[derive(Serialize, ToSchema)]
pub struct ModelEcho {
    pub id: String,
    /// Digest of the model files.
    #[schema(example = "sha256:…")]
    pub revision: String,
    pub architecture: &'static str,
    pub task: &'static str,
    /// What it computes with: `f32`, or `f32+int8` if inputs that methods perturb are computed in
    /// 8-bit integers, and everything else in f32; on a GPU also `tf32` or `bf16`; `f64` for the
    /// reference.
    #[schema(example = "f32")]
    pub dtype: &'static str,
    /// `cpu`, `cuda:` and a number, or `remote`.
    #[schema(example = "cpu")]
    pub device: &'static str,
    /// Turns logits into probabilities: softmax, sigmoid or none.
    pub activation: &'static str,
}

/// The explanation of one input.
#[derive(Serialize, ToSchema)]
pub struct Explained {
    pub id: Option<String>,
    /// The result in one or two sentences.
    pub summary: Summary,
    #[serde(flatten)]
    pub prediction: PredictionBody,
    pub tokens: Vec<Token>,
    pub words: Vec<Unit>,
    /// If `granularity` includes `sentence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<Unit>>,
    /// If the input has `spans`, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<Span>>,
    /// One per method and target.
    pub explanations: Vec<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// The views inside the model that the request asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// If the request has `concepts`, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concepts: Vec<LocatedConcept>,
    /// Evaluation of the explanations of the first target, by method; `random` is the average of
    /// random rankings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<BTreeMap<String, BTreeMap<&'static str, Measured>>>,
    /// Agreement of the methods, per pair of methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Vec<Agreement>>,
    /// The kinds of evidence that the request asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceBody>,
    /// Reasons to trust this result less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// If the text was split into windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WindowPart>>,
    /// Whether the input was truncated to the model's maximum length.
    pub truncated: bool,
}

/// A token. `start` and `end` are a half-open range of Unicode code points in its segment's text;
/// they are equal for special tokens.
#[derive(Serialize, ToSchema)]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// Its index in `words`.
    pub word: Option<usize>,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
    pub special: bool,
}

/// A part of the text: a word, number or punctuation mark, or a sentence.
#[derive(Serialize, ToSchema)]
pub struct Unit {
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// Indices into `tokens`.
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// A span of the text from the request.
#[derive(Serialize, ToSchema)]
pub struct Span {
    #[serde(flatten)]
    pub unit: Unit,
    /// Whether it was extended to token boundaries.
    pub rounded: bool,
}

/// One method's scores for one target.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    pub method: &'static str,
    /// All options, with defaults filled in.
    pub options: BTreeMap<&'static str, OptionValue>,
    pub target: Target,
    /// `logit` or `probability`.
    pub output: &'static str,
    pub attributions: Attributions,
    /// Standard errors of the attributions, for methods that sample; 0 where nothing was left to
    /// chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<Attributions>,
    /// The scores of pairs, for methods that find interactions; never normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactions: Option<interactions::Interactions>,
    /// The explained scalar for the input.
    pub output_value: f32,
    /// The explained scalar for the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_value: Option<f32>,
    /// sum(attributions) - (output_value - baseline_value), before any normalisation; with the scores
    /// of pairs, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence_delta: Option<f32>,
    /// Whether the convergence delta, or for methods that sample the standard errors, are within the
    /// method's tolerance; see its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
    /// Number of gradients along the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<usize>,
    /// Number of samples that the scores are computed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_samples: Option<usize>,
    /// Whether sampling ended at the tolerance or the requested number of samples; false if time ran
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// For methods with a linear surrogate model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

/// Cost of one method over all inputs and targets.
#[derive(Serialize, ToSchema)]
pub struct MethodCost {
    pub method: &'static str,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub compute_ms: f32,
}

/// How well the linear surrogate fits the model.
#[derive(Serialize, ToSchema)]
pub struct Fit {
    pub intercept: f32,
    /// Weighted coefficient of determination.
    pub r2: f32,
}

/// The explained scalar, and its token if the model has one output per token.
#[derive(Serialize, ToSchema)]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<usize>,
    #[serde(flatten)]
    pub what: ScalarName,
}

/// A class, the difference of two classes, the start or end of an answer, or the cosine of two
/// texts as a function of one of them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ScalarName {
    Class(Class),
    Contrast {
        #[schema(min_items = 2, max_items = 2)]
        contrast: [Class; 2],
    },
    SpanBoundary {
        position: &'static str,
    },
    Cosine {
        cosine: &'static str,
    },
}

/// A class of the model.
#[derive(Serialize, ToSchema)]
pub struct Class {
    pub label: String,
    pub index: usize,
}

/// Scores by unit, in the order of `tokens`, `words`, `sentences` and `spans`.
#[derive(Serialize, ToSchema)]
pub struct Attributions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Vec<f32>>,
    /// If the request has a `lexicon`: the sum of the scores of each group's words, before any
    /// normalisation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lexicon: BTreeMap<String, f32>,
}

/// Attention weights, `[layer][head][query][key]`.
#[derive(Serialize, ToSchema)]
pub struct Attention {
    pub kind: &'static str,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0, or only `mean`.
    pub heads: Vec<Head>,
    #[schema(min_items = 4, max_items = 4)]
    pub shape: [usize; 4],
    #[schema(value_type = Vec<Vec<Vec<Vec<f32>>>>)]
    pub weights: Nested,
    /// For kind `gradient`: the scalar whose gradient it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The attention pattern of each head of the model on this input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<HeadPattern>>,
}

/// The attention pattern of a head.
#[derive(Serialize, ToSchema)]
pub struct HeadPattern {
    /// Counted from 0.
    pub layer: usize,
    pub head: usize,
    /// The pattern that most of its attention follows: `previous`, `next`, `self`, `cls`, `sep`,
    /// `punctuation`, `repeated` or `broad`; `mixed` if there is none.
    #[schema(example = "previous")]
    pub pattern: &'static str,
    /// Score of that pattern.
    pub score: f32,
    /// Score per pattern: the share of attention that follows it, averaged over the queries; for
    /// `broad`, the entropy divided by its maximum.
    pub scores: BTreeMap<&'static str, f32>,
    /// The pairs of tokens with the largest weights.
    pub pairs: Vec<Pair>,
}

/// Two indices into `tokens`, and the attention weight between them.
#[derive(Serialize, ToSchema)]
pub struct Pair {
    pub query: usize,
    pub key: usize,
    pub weight: f32,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Head {
    Number(usize),
    Name(&'static str),
}

/// Cost of the request.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    /// Total over all inputs.
    pub tokens: usize,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// Sum over the request's jobs, which may wait at the same time.
    pub queue_ms: f32,
    /// The request's share of the time of its passes.
    pub compute_ms: f32,
    /// In the order of the request's methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<MethodCost>,
}

/// Rounds to f32. Negative zero, as from Rust's sum of no numbers or from underflow, becomes 0.
pub fn number(value: f64) -> f32 {
    value as f32 + 0.
}
