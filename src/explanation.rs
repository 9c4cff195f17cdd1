//! What is asked and what is answered, as plain data: no tensor, no JSON, no
//! HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::attribution::{Completeness, Granularity, MethodEntry, Normalize, Options, Sampling};
use crate::evaluation::{Evaluation, Settings, Warning};
use crate::model::Model;
use crate::passes::Usage;
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
    /// How far to trust the explanations: what is measured.
    pub evaluate: Option<Settings>,
    pub aggregation: Aggregation,
    pub truncate: Truncate,
    /// How an input over the model's limit is read in parts.
    pub window: Option<Window>,
    /// What sampling methods and measures draw from.
    pub seed: u64,
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
            evaluate: None,
            aggregation: Aggregation::Simple,
            truncate: Truncate::No,
            window: None,
            seed: 0,
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

/// How a text longer than the model's limit is read in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens that a part has in common with the one before, at least.
    pub stride: usize,
    pub combine: Combine,
}

/// How parts become one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// The mean of their outputs.
    Mean,
    /// The part whose explained scalar is highest speaks for all.
    Max,
}

impl Combine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }
}

/// Which attention to return. Negative layers and heads count from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionSelection {
    pub kind: AttentionKind,
    pub layers: Selection,
    pub heads: Heads,
    /// Whether every head is classified too.
    pub patterns: bool,
}

/// What a matrix of attention is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKind {
    /// What the softmax gave.
    Weights,
    /// Weights times the length of what they move (Kobayashi et al. 2020).
    Norm,
    /// Weights multiplied up to a layer (Abnar & Zuidema 2020).
    Rollout,
    /// Weights times the explained scalar's gradient at them.
    Gradient,
}

impl AttentionKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Norm => "norm",
            Self::Rollout => "rollout",
            Self::Gradient => "gradient",
        }
    }
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
    pub passes: Usage,
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
    /// Where measures were asked for.
    pub evaluation: Option<Evaluation>,
    /// What makes the answer worth less.
    pub warnings: Vec<Warning>,
    /// Where the text was read in several.
    pub windows: Option<Vec<WindowPart>>,
    pub truncated: bool,
}

/// One part of a text that is longer than the model's limit.
pub struct WindowPart {
    /// Its tokens among those of the whole text.
    pub tokens: std::ops::Range<usize>,
    pub predicted: Predicted,
    /// Of each explanation, in their order.
    pub shares: Vec<WindowShare>,
}

/// What a part adds to one explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowShare {
    /// What its scores are multiplied with.
    pub weight: f64,
    pub output_value: f64,
    pub completeness: Option<Completeness>,
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

/// A list of scores a unit.
pub type UnitScores = Vec<(Granularity, Vec<f64>)>;

/// One method's scores for one target.
pub struct Explanation {
    pub method: &'static MethodEntry,
    pub options: Options,
    pub target: Resolved,
    pub output: Output,
    /// A list of scores for each granularity asked for: `[tokens]`, `[words]`, ….
    pub scores: UnitScores,
    /// The explained scalar at the input.
    pub output_value: f64,
    pub completeness: Option<Completeness>,
    pub sampling: Option<Sampling>,
    /// What its method took, for all targets.
    pub usage: Usage,
}

/// Attention of the chosen layers and heads.
pub struct Attention {
    pub kind: AttentionKind,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0; none where the heads were averaged.
    pub heads: Option<Vec<usize>>,
    pub tokens: usize,
    /// `[layers, heads or 1, tokens, tokens]`: query by key.
    pub weights: Vec<f64>,
    /// What it is the gradient of, if it is one.
    pub target: Option<Resolved>,
    /// Of every head of the model, where they were asked for.
    pub patterns: Option<Vec<HeadPattern>>,
}

/// What a head does with one input.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadPattern {
    /// Counted from 0.
    pub layer: usize,
    pub head: usize,
    pub pattern: Pattern,
    /// Of its pattern.
    pub score: f64,
    /// Of every pattern: the share of attention that follows it, on average over
    /// the queries; of broad, the entropy as a share of the highest.
    pub scores: Vec<(Pattern, f64)>,
    /// Where it looks most.
    pub pairs: Vec<Pair>,
}

/// One query that looks at one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub query: usize,
    pub key: usize,
    pub weight: f64,
}

/// Where a head looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    Previous,
    Next,
    Itself,
    /// The first token, where the tokenizer adds it.
    First,
    /// The others that the tokenizer adds.
    Separator,
    Punctuation,
    /// The same token elsewhere.
    Repeated,
    /// Everywhere.
    Broad,
    /// None of these.
    Mixed,
}

impl Pattern {
    pub fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Next => "next",
            Self::Itself => "self",
            Self::First => "cls",
            Self::Separator => "sep",
            Self::Punctuation => "punctuation",
            Self::Repeated => "repeated",
            Self::Broad => "broad",
            Self::Mixed => "mixed",
        }
    }
}
