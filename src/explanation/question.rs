//! A question: what to explain, and how.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::{AttentionSelection, Found, Lexicon, Load, StoredConcept, Target, View};
use crate::attribution::{Granularity, MethodEntry, Normalize, Options};
use crate::choice::choices;
use crate::error::Result;
use crate::evaluation::Settings;
use crate::model::Model;
use crate::passes::{ANYONE, Passes};
use crate::remote::Forwarded;
use crate::rows::Output;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input};

/// A validated request to explain.
#[derive(Clone)]
pub struct Question {
    /// The name of the caller's key, by which work is divided fairly.
    pub caller: Arc<str>,
    /// Sent on with calls to the server that predicts a remote model.
    pub forwarded: Forwarded,
    /// When its time limit began, if that was before it was processed.
    pub since: Option<Instant>,
    pub model: Arc<Model>,
    pub inputs: Vec<Input>,
    pub target: Target,
    pub output: Output,
    pub methods: Vec<(&'static MethodEntry, Options)>,
    pub attention: Option<AttentionSelection>,
    /// The views inside the model, of the first target.
    pub inside: Vec<View>,
    /// The concepts that inputs are located along.
    pub concepts: Vec<StoredConcept>,
    pub granularity: Vec<Granularity>,
    /// Groups of words whose scores are added up.
    pub lexicon: Arc<Lexicon>,
    pub normalize: Normalize,
    /// The measures of how far to trust the explanations.
    pub evaluate: Option<Settings>,
    /// Finds evidence for every input.
    pub evidence: Vec<Arc<dyn Finder>>,
    pub aggregation: Aggregation,
    pub answers: AnswerOptions,
    /// Labels to choose from instead of the model's own.
    pub candidates: Option<Arc<Candidates>>,
    pub truncate: Truncate,
    /// How an input over the model's limit is split into windows.
    pub window: Option<Window>,
    /// Seed of sampling methods and measures.
    pub seed: u64,
    /// The caller's own time limit.
    pub budget: Option<Duration>,
}

impl Question {
    /// Creates a question for the predictions of `inputs`, without explanations.
    pub fn prediction(model: Arc<Model>, inputs: Vec<Input>) -> Self {
        Self {
            caller: ANYONE.into(),
            forwarded: Forwarded::default(),
            since: None,
            model,
            inputs,
            target: Target::Predicted,
            output: Output::Logit,
            methods: Vec::new(),
            attention: None,
            inside: Vec::new(),
            concepts: Vec::new(),
            granularity: Vec::new(),
            lexicon: Arc::default(),
            normalize: Normalize::None,
            evaluate: None,
            evidence: Vec::new(),
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

/// How answers to a question are found, by the rules of transformers' pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerOptions {
    pub none: NoAnswer,
    /// Maximum number of tokens in an answer.
    pub max_tokens: usize,
    /// Number of answers to return.
    pub top_k: usize,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { none: NoAnswer::Ignored, max_tokens: 15, top_k: 1 }
    }
}

/// Whether the possibility that there is no answer is considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    Ignored,
    /// It competes with the other answers, by a score of its own.
    Considered,
}

/// Labels that the caller provides. An entailment model decides for each whether its hypothesis
/// follows from the text (Yin, Hay & Roth 2019).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    pub labels: Vec<Arc<str>>,
    /// The labels inserted into the caller's template.
    pub hypotheses: Vec<String>,
    pub choice: LabelChoice,
    pub words: HypothesisWords,
}

/// How many candidates can be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelChoice {
    /// One: they compete with each other.
    One,
    /// Any number: each one is either entailed or contradicted.
    Several,
}

/// How the hypothesis is treated when its candidate is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HypothesisWords {
    /// It is not changed, and has no scores.
    Fixed,
    /// Its words have scores too.
    Explained,
}

/// How a text longer than the model's limit is split into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Minimum number of tokens that a window shares with the previous one.
    pub stride: usize,
    /// Chosen by the task if `None`.
    pub combine: Option<Combine>,
}

choices! {
    /// How the outputs of windows become one prediction.
    pub enum Combine {
        /// The mean of their outputs.
        Mean = "mean",
        /// The window with the highest explained scalar.
        Max = "max",
    }
}

choices! {
    /// How tokens are combined into entities, by the names in transformers.
    pub enum Aggregation {
        /// Each token by itself.
        None = "none",
        /// Adjacent tokens with the same label.
        Simple = "simple",
        /// A word has the label of its first token.
        First = "first",
        /// A word has the label of the mean of its tokens.
        Average = "average",
        /// A word has the label of its most confident token.
        Max = "max",
    }
}

/// Finds one kind of evidence for the inputs of a question.
pub trait Finder: Send + Sync {
    /// The name of the kind in requests and responses.
    fn name(&self) -> &'static str;

    /// What the result depends on beyond the request and the model, such as the corpus that is
    /// searched by default.
    fn depends_on(&self) -> String;

    /// Returns the most work that one input may take.
    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load>;

    /// Finds the evidence for one input of `question`.
    fn find<'a>(
        &'a self,
        passes: &'a Passes,
        question: &'a Question,
        input: &'a Input,
        encoding: &'a Encoding,
    ) -> BoxFuture<'a, Result<Box<dyn Found>>>;
}
