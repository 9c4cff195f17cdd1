//! What is asked and what is answered, as plain data: no tensor, no JSON, no
//! HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::attribution::{Completeness, Granularity, MethodEntry, Normalize, Options};
use crate::model::Model;
use crate::rows::{Output, Scalar};
use crate::text::tokenizer::Truncate;
use crate::text::{CallerSpan, Input, Token, Unit};

/// A validated request to explain.
pub struct Question {
    pub model: Arc<Model>,
    pub inputs: Vec<Input>,
    pub target: Target,
    pub output: Output,
    pub methods: Vec<(&'static MethodEntry, Options)>,
    pub attention: Option<AttentionSelection>,
    pub granularity: Vec<Granularity>,
    pub normalize: Normalize,
    pub aggregation: Aggregation,
    pub truncate: Truncate,
    /// The caller's own bound on the time it takes.
    pub budget: Option<Duration>,
}

impl Question {
    /// What the model says of `inputs`, and no explanation.
    pub fn prediction(model: Arc<Model>, inputs: Vec<Input>) -> Self {
        Self {
            model,
            inputs,
            target: Target::Predicted,
            output: Output::Logit,
            methods: Vec::new(),
            attention: None,
            granularity: Vec::new(),
            normalize: Normalize::None,
            aggregation: Aggregation::Simple,
            truncate: Truncate::No,
            budget: None,
        }
    }
}

/// A class, by name or by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    Label(String),
    Index(usize),
}

/// What of the model's answer is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What the model answers.
    Predicted,
    /// Each class; of a model that answers for each token, every token's.
    All,
    /// One output, of a token where the model answers for each.
    Class { token: Option<usize>, class: Class },
    /// The first class's output minus the second's.
    Contrast { token: Option<usize>, classes: [Class; 2] },
    /// Where an answer starts or ends; without a token, the best span's.
    Border { border: Border, token: Option<usize> },
}

/// An end of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    Start,
    End,
}

impl Border {
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// A target with its outputs found in the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The token whose output it is, of a model that answers for each.
    pub token: Option<usize>,
    pub what: What,
    pub scalar: Scalar,
}

/// What a scalar is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Class(usize),
    Contrast(usize, usize),
    Border(Border),
    /// The similarity of two texts, as a function of one of them, by its segment.
    Cosine(usize),
}

/// Which attention to return. Negative layers and heads count from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionSelection {
    pub layers: Selection,
    pub heads: Heads,
}

/// All of something, or some by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    List(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heads {
    Each(Selection),
    /// One matrix a layer: the mean of its heads.
    Mean,
}

/// The answer to a [`Question`].
pub struct Answer {
    pub model: Arc<Model>,
    /// One an input, in order; a bad input does not spoil the others.
    pub results: Vec<(Option<String>, crate::error::Result<Explained>)>,
    pub usage: Used,
}

/// What a request took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    pub tokens: usize,
    pub passes: crate::passes::Usage,
}

/// One input's predictions and explanations.
pub struct Explained {
    pub predicted: Predicted,
    pub tokens: Vec<Token>,
    pub words: Vec<Unit>,
    /// Where scores of sentences were asked for.
    pub sentences: Option<Vec<Unit>>,
    /// Where the caller marked some.
    pub spans: Option<Vec<CallerSpan>>,
    pub explanations: Vec<Explanation>,
    pub attention: Option<Attention>,
    pub truncated: bool,
}

/// What a model says of one input, by its task.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// Every label's score, best first.
    Labels(Vec<Prediction>),
    /// The same for each token, and what they make up together.
    Tokens {
        predictions: Vec<Vec<Prediction>>,
        entities: Vec<Entity>,
    },
    /// A part of the second text, and where it may start and end.
    Answer {
        answer: FoundAnswer,
        start: Vec<TokenScore>,
        end: Vec<TokenScore>,
    },
    /// The best pieces for each mask, best first.
    Masks(Vec<MaskPrediction>),
    Similarity(Similarity),
}

/// Tokens of one label, side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    pub label: String,
    pub probability: f64,
    pub text: String,
    /// In code points.
    pub start: usize,
    pub end: usize,
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// The best answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundAnswer {
    pub text: String,
    /// In code points of the second text.
    pub start: usize,
    pub end: usize,
    pub probability: f64,
    pub start_token: usize,
    pub end_token: usize,
}

/// One token's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    pub token: usize,
    pub logit: f64,
    pub probability: f64,
}

/// What a masked token may be.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPrediction {
    pub token: usize,
    pub predictions: Vec<Prediction>,
}

/// Texts as vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarity {
    pub embedding: Vec<f64>,
    /// Where there are two texts.
    pub pair: Option<PairSimilarity>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PairSimilarity {
    pub embedding: Vec<f64>,
    pub cosine: f64,
    /// What each pair of tokens adds to the cosine, `[tokens, tokens of the
    /// pair]`; where texts are embedded as the mean of their tokens.
    pub matrix: Option<Vec<Vec<f64>>>,
}

/// How tokens are put together into entities, by transformers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// Each token by itself.
    None,
    /// Tokens of one label side by side.
    Simple,
    /// A word has the label of its first token.
    First,
    /// Of the mean of its tokens.
    Average,
    /// Of its surest token.
    Max,
}

/// The score of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub index: usize,
    pub label: String,
    pub logit: f64,
    pub probability: f64,
}

/// One method's scores for one target.
pub struct Explanation {
    pub method: &'static MethodEntry,
    pub options: Options,
    pub target: Resolved,
    pub output: Output,
    /// A list of scores for each granularity asked for: `[tokens]`, `[words]`, ….
    pub scores: Vec<(Granularity, Vec<f64>)>,
    /// The explained scalar at the input.
    pub output_value: f64,
    pub completeness: Option<Completeness>,
}

/// Attention weights of the chosen layers and heads.
pub struct Attention {
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0; none where the heads were averaged.
    pub heads: Option<Vec<usize>>,
    pub tokens: usize,
    /// `[layers, heads or 1, tokens, tokens]`: query by key.
    pub weights: Vec<f64>,
}
