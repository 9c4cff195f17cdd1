//! The JSON of an answer. Numbers are written as f32: the models compute in it,
//! and it halves the digits.

mod convert;
mod lines;
mod said;
mod trust;
mod windows;

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub use convert::{explain, model_echo, option, predict};
pub use lines::{Line, line};
pub use said::{Prediction, Said};
pub use trust::{Agreement, Measured, Warning};
pub use windows::WindowPart;

/// The answer of POST /explain.
#[derive(Serialize, ToSchema)]
pub struct ExplainResponse<E> {
    pub model: ModelEcho,
    /// One an input, in the order of the inputs.
    pub results: Vec<ExplainItem<E>>,
    pub usage: Usage,
}

/// One input's explanation, or the problem it met.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ExplainItem<E> {
    Explained(Box<Explained>),
    Failed(Failed<E>),
}

/// The answer of POST /predict.
#[derive(Serialize, ToSchema)]
pub struct PredictResponse<E> {
    pub model: ModelEcho,
    /// One an input, in the order of the inputs.
    pub results: Vec<PredictItem<E>>,
    pub usage: Usage,
}

/// One input's predictions, or the problem it met.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum PredictItem<E> {
    Predicted(Predicted),
    Failed(Failed<E>),
}

/// One input's predictions.
#[derive(Serialize, ToSchema)]
pub struct Predicted {
    pub id: Option<String>,
    #[serde(flatten)]
    pub said: Said,
    /// Whether the input's end was cut to fit the model.
    pub truncated: bool,
}

/// An input that could not be answered. The others were.
#[derive(Serialize, ToSchema)]
pub struct Failed<E> {
    pub id: Option<String>,
    pub error: E,
}

/// Which model answered, and how.
#[derive(Serialize, ToSchema)]
pub struct ModelEcho {
    pub id: String,
    /// Digest of the model's files.
    #[schema(example = "sha256:…")]
    pub revision: String,
    pub architecture: &'static str,
    pub task: &'static str,
    #[schema(example = "f32")]
    pub dtype: &'static str,
    #[schema(example = "cpu")]
    pub device: &'static str,
    /// From logits to probabilities: softmax, sigmoid or none.
    pub activation: &'static str,
}

/// One input's answer.
#[derive(Serialize, ToSchema)]
pub struct Explained {
    pub id: Option<String>,
    #[serde(flatten)]
    pub said: Said,
    pub tokens: Vec<Token>,
    pub words: Vec<Unit>,
    /// Where `granularity` has `sentence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<Unit>>,
    /// Where the input has `spans`, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<Span>>,
    /// One for each method and target.
    pub explanations: Vec<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// What was measured of the explanations of the first target, by method;
    /// `random` is what random rankings come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<BTreeMap<String, BTreeMap<&'static str, Measured>>>,
    /// How far the methods say the same, for each two of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Vec<Agreement>>,
    /// What makes this answer worth less, in plain words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Where the text was read in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WindowPart>>,
    /// Whether the input's end was cut to fit the model.
    pub truncated: bool,
}

/// A unit of the tokenizer. Offsets are half-open, in Unicode code points of
/// its segment's text, and equal for special tokens.
#[derive(Serialize, ToSchema)]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// Its place in `words`.
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
    /// Their places in `tokens`.
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// A part of the text that the caller marked.
#[derive(Serialize, ToSchema)]
pub struct Span {
    #[serde(flatten)]
    pub unit: Unit,
    /// Whether it grew, so as to cut no token.
    pub rounded: bool,
}

/// One method's scores for one target.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    pub method: &'static str,
    /// Those in force, defaults filled in.
    pub options: BTreeMap<&'static str, OptionValue>,
    pub target: Target,
    /// `logit` or `probability`.
    pub output: &'static str,
    pub attributions: Attributions,
    /// The explained scalar at the input.
    pub output_value: f32,
    /// The explained scalar at the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_value: Option<f32>,
    /// sum(attributions) - (output_value - baseline_value), before any
    /// normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence_delta: Option<f32>,
    /// Whether the scores are within the method's tolerance; see its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
    /// Gradients that were taken along the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<usize>,
    /// Samples that the scores are made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_samples: Option<usize>,
    /// Whether those are all that were asked for; false where time ran short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// Of a linear surrogate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

/// What one method took, of all inputs and targets.
#[derive(Serialize, ToSchema)]
pub struct MethodCost {
    pub method: &'static str,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub compute_ms: f32,
}

/// How well a linear surrogate says what the model does.
#[derive(Serialize, ToSchema)]
pub struct Fit {
    pub intercept: f32,
    /// Weighted coefficient of determination.
    pub r2: f32,
}

/// An option's value: a name, a number, or a text.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OptionValue {
    Name(&'static str),
    #[schema(value_type = f64)]
    Number(Number),
    Text {
        text: String,
    },
}

/// An integer is written without a point; to a reader it is a number as well.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Number {
    Integer(u64),
    Real(f64),
}

/// What the explained scalar is, and of which token where the model answers for
/// each.
#[derive(Serialize, ToSchema)]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<usize>,
    #[serde(flatten)]
    pub what: What,
}

/// One class, the difference of two, an end of an answer, or the cosine of two
/// texts as a function of one of them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum What {
    Class(Class),
    Contrast {
        #[schema(min_items = 2, max_items = 2)]
        contrast: [Class; 2],
    },
    Border {
        position: &'static str,
    },
    Cosine {
        cosine: &'static str,
    },
}

/// A label and its index.
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
}

/// Attention weights, `[layer][head][query][key]`.
#[derive(Serialize, ToSchema)]
pub struct Attention {
    pub kind: &'static str,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0, or the one word `mean`.
    pub heads: Vec<Head>,
    #[schema(min_items = 4, max_items = 4)]
    pub shape: [usize; 4],
    #[schema(value_type = Vec<Vec<Vec<Vec<f32>>>>)]
    pub weights: Nested,
    /// Of kind `gradient`: what it is the gradient of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What each head of the model does with this input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<HeadPattern>>,
}

/// Where a head looks.
#[derive(Serialize, ToSchema)]
pub struct HeadPattern {
    /// Counted from 0.
    pub layer: usize,
    pub head: usize,
    /// The pattern that most of its attention follows: `previous`, `next`, `self`,
    /// `cls`, `sep`, `punctuation`, `repeated`, `broad`; `mixed` where none does.
    #[schema(example = "previous")]
    pub pattern: &'static str,
    /// Of that pattern.
    pub score: f32,
    /// Of every pattern: the share of attention that follows it, on average over
    /// the queries; of `broad`, the entropy as a share of the highest.
    pub scores: BTreeMap<&'static str, f32>,
    /// Where it looks most.
    pub pairs: Vec<Pair>,
}

/// Two places in `tokens`.
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

/// What the request took.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    /// Of all inputs together.
    pub tokens: usize,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// Summed over the request's jobs, which may wait side by side.
    pub queue_ms: f32,
    /// The request's share of the passes it was in.
    pub compute_ms: f32,
    /// In the order of the request's methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<MethodCost>,
}

/// A number as it is written. Minus zero, which is what Rust's sum of nothing and the smallest
/// numbers become, is 0.
pub fn number(value: f64) -> f32 {
    value as f32 + 0.
}

/// Numbers that lie flat, written as arrays in arrays.
pub struct Nested {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Level { shape: &self.shape, values: &self.values }.serialize(serializer)
    }
}

struct Level<'a> {
    shape: &'a [usize],
    values: &'a [f64],
}

impl Serialize for Level<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(self.shape.first().copied())?;
        match self.shape {
            [] | [_] => {
                for &value in self.values {
                    list.serialize_element(&number(value))?;
                }
            }
            [_, inner @ ..] => {
                let size = inner.iter().product::<usize>().max(1);
                for values in self.values.chunks(size) {
                    list.serialize_element(&Level { shape: inner, values })?;
                }
            }
        }
        list.end()
    }
}
