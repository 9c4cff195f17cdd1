//! What is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::AttentionSelection;
use crate::attribution::{Granularity, MethodEntry, Normalize, Options};
use crate::evaluation::Settings;
use crate::model::Model;
use crate::passes::ANYONE;
use crate::rows::{Output, Scalar};
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// A validated request to explain.
#[derive(Clone)]
pub struct Question {
    /// The name of the key that asks, which work is shared out by.
    pub caller: Arc<str>,
    /// When its time began to run, where that was before it is taken up.
    pub since: Option<Instant>,
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
    pub answers: AnswerOptions,
    /// Labels to choose from in place of the model's own.
    pub candidates: Option<Arc<Candidates>>,
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
            caller: ANYONE.into(),
            since: None,
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
            answers: AnswerOptions::default(),
            candidates: None,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Class(Named),
    Contrast(Named, Named),
    Border(Border),
    /// The similarity of two texts, as a function of one of them, by its segment.
    Cosine(usize),
}

/// A class by its number and its label: the model's, or a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub index: usize,
    pub label: Arc<str>,
}

/// How answers to a question are found, by the rules of transformers' pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerOptions {
    pub none: NoAnswer,
    /// The most tokens of one.
    pub max_tokens: usize,
    /// How many are given.
    pub top_k: usize,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { none: NoAnswer::Ignored, max_tokens: 15, top_k: 1 }
    }
}

/// Whether it counts that there may be no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    Ignored,
    /// It is an answer beside the others, with a score of its own.
    Considered,
}

/// Labels that a caller makes up. A model of entailment says of each whether its hypothesis
/// follows from the text (Yin, Hay & Roth 2019).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    pub labels: Vec<Arc<str>>,
    /// The same put into the caller's template.
    pub hypotheses: Vec<String>,
    pub choice: Choice,
    pub words: HypothesisWords,
}

/// How many candidates can be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// They compete with each other.
    One,
    /// Each for itself: whether it follows, or is contradicted.
    Several,
}

/// What becomes of a hypothesis when its candidate is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HypothesisWords {
    /// It stays as it is, and has no scores.
    Held,
    /// Its words have scores too.
    Explained,
}

/// How a text longer than the model's limit is read in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens that a part has in common with the one before, at least.
    pub stride: usize,
    /// By the task where none is named.
    pub combine: Option<Combine>,
}

/// How parts become one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// The mean of their outputs.
    Mean,
    /// The part whose explained scalar is highest speaks for all.
    Max,
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
