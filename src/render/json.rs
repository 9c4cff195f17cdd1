//! The JSON of an answer. Numbers are written as f32: the models compute in it,
//! and it halves the digits.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::attribution::OptionValue;
use crate::explanation::{self, Answer, Granularity, Resolved};
use crate::model::Model;
use crate::rows::Output;

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
    /// Best first.
    pub predictions: Vec<Prediction>,
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
    /// Best first.
    pub predictions: Vec<Prediction>,
    pub tokens: Vec<Token>,
    pub words: Vec<Word>,
    /// One for each method and target.
    pub explanations: Vec<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// Whether the input's end was cut to fit the model.
    pub truncated: bool,
}

/// The score of one label.
#[derive(Serialize, ToSchema)]
pub struct Prediction {
    pub label: String,
    pub index: usize,
    pub logit: f32,
    pub probability: f32,
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

/// A word, number or punctuation mark.
#[derive(Serialize, ToSchema)]
pub struct Word {
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// Their places in `tokens`.
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// One method's scores for one target.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    pub method: &'static str,
    /// Those in force, defaults filled in.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub options: BTreeMap<&'static str, Value>,
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
    /// Whether |convergence_delta| is at most 0.01 sum|attributions|.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
}

/// An option's value.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Value {
    Name(&'static str),
    Integer(u64),
    Text { text: String },
}

/// What the explained scalar is: one class, or the difference of two.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Target {
    Class(Class),
    Contrast { contrast: [Class; 2] },
}

/// A label and its index.
#[derive(Serialize, ToSchema)]
pub struct Class {
    pub label: String,
    pub index: usize,
}

/// Scores by unit, in the order of `tokens` and of `words`.
#[derive(Serialize, ToSchema)]
pub struct Attributions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<Vec<f32>>,
}

/// Attention weights, `[layer][head][query][key]`.
#[derive(Serialize, ToSchema)]
pub struct Attention {
    pub kind: &'static str,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0, or the one word `mean`.
    pub heads: Vec<Head>,
    pub shape: [usize; 4],
    #[schema(value_type = Vec<Vec<Vec<Vec<f32>>>>)]
    pub weights: Nested,
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
                    list.serialize_element(&(value as f32))?;
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

/// Renders an answer; `problem` says how an input's error is written.
pub fn explain<E>(
    answer: Answer,
    problem: impl Fn(crate::error::Error) -> E,
) -> ExplainResponse<E> {
    let model = &answer.model;
    let results = answer
        .results
        .into_iter()
        .map(|(id, result)| match result {
            Ok(explained) => ExplainItem::Explained(Box::new(explained_json(id, explained, model))),
            Err(error) => ExplainItem::Failed(Failed { id, error: problem(error) }),
        })
        .collect();
    ExplainResponse { model: model_echo(model), results, usage: usage(&answer.usage) }
}

/// Renders the predictions of an answer alone.
pub fn predict<E>(
    answer: Answer,
    problem: impl Fn(crate::error::Error) -> E,
) -> PredictResponse<E> {
    let results = answer
        .results
        .into_iter()
        .map(|(id, result)| match result {
            Ok(explained) => PredictItem::Predicted(Predicted {
                id,
                predictions: explained.predictions.into_iter().map(prediction).collect(),
                truncated: explained.truncated,
            }),
            Err(error) => PredictItem::Failed(Failed { id, error: problem(error) }),
        })
        .collect();
    PredictResponse { model: model_echo(&answer.model), results, usage: usage(&answer.usage) }
}

fn explained_json(
    id: Option<String>,
    explained: explanation::Explained,
    model: &Model,
) -> Explained {
    let explanations = explained.explanations.into_iter();
    Explained {
        id,
        predictions: explained.predictions.into_iter().map(prediction).collect(),
        tokens: explained.tokens.into_iter().map(token).collect(),
        words: explained.words.into_iter().map(word).collect(),
        explanations: explanations.map(|one| explanation_json(one, model)).collect(),
        attention: explained.attention.map(attention),
        truncated: explained.truncated,
    }
}

fn explanation_json(one: explanation::Explanation, model: &Model) -> Explanation {
    let scores = |wanted: Granularity| {
        let found = one.scores.iter().find(|(unit, _)| *unit == wanted);
        found.map(|(_, scores)| scores.iter().map(|&score| score as f32).collect())
    };
    let completeness = one.completeness;
    Explanation {
        method: one.method.name,
        options: one.options.iter().map(|(name, value)| (*name, option(value))).collect(),
        target: target(&one.target, model),
        output: match one.output {
            Output::Logit => "logit",
            Output::Probability => "probability",
        },
        attributions: Attributions {
            token: scores(Granularity::Token),
            word: scores(Granularity::Word),
        },
        output_value: one.output_value as f32,
        baseline_value: completeness.map(|c| c.baseline_value as f32),
        convergence_delta: completeness.map(|c| c.convergence_delta as f32),
        converged: completeness.map(|c| c.converged),
    }
}

pub fn option(value: &OptionValue) -> Value {
    match value {
        OptionValue::Name(name) => Value::Name(name),
        OptionValue::Integer(number) => Value::Integer(*number),
        OptionValue::Text(text) => Value::Text { text: text.clone() },
    }
}

fn target(target: &Resolved, model: &Model) -> Target {
    let class = |index: usize| Class { label: model.labels()[index].clone(), index };
    match *target {
        Resolved::Class(index) => Target::Class(class(index)),
        Resolved::Contrast(a, b) => Target::Contrast { contrast: [class(a), class(b)] },
    }
}

pub fn model_echo(model: &Model) -> ModelEcho {
    ModelEcho {
        id: model.id.clone(),
        revision: model.revision.clone(),
        architecture: model.architecture,
        task: model.task,
        dtype: model.dtype.as_str(),
        device: if model.device.is_cpu() { "cpu" } else { "cuda" },
        activation: model.activation().name(),
    }
}

fn prediction(prediction: explanation::Prediction) -> Prediction {
    Prediction {
        label: prediction.label,
        index: prediction.index,
        logit: prediction.logit as f32,
        probability: prediction.probability as f32,
    }
}

fn token(token: crate::text::Token) -> Token {
    Token {
        id: token.id,
        text: token.text,
        start: token.start,
        end: token.end,
        word: token.word,
        segment: token.segment,
        special: token.special,
    }
}

fn word(word: crate::text::Word) -> Word {
    Word {
        text: word.text,
        start: word.start,
        end: word.end,
        tokens: word.tokens,
        segment: word.segment,
    }
}

fn attention(attention: explanation::Attention) -> Attention {
    let heads = match &attention.heads {
        Some(heads) => heads.iter().map(|&head| Head::Number(head)).collect(),
        None => vec![Head::Name("mean")],
    };
    let shape = [attention.layers.len(), heads.len(), attention.tokens, attention.tokens];
    Attention {
        kind: "weights",
        layers: attention.layers,
        heads,
        shape,
        weights: Nested { shape: shape.to_vec(), values: attention.weights },
    }
}

fn usage(used: &explanation::Used) -> Usage {
    Usage {
        tokens: used.tokens,
        forward_rows: used.passes.forward_rows,
        gradient_rows: used.passes.gradient_rows,
        queue_ms: used.passes.queue.as_secs_f32() * 1e3,
        compute_ms: used.passes.compute.as_secs_f32() * 1e3,
    }
}
