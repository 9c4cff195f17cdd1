//! What is asked and what is answered, as plain data: no tensor, no JSON, no
//! HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::attribution::{Completeness, Granularity, MethodEntry, Normalize, Options};
use crate::model::Model;
use crate::rows::Output;
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
    /// The class with the highest score.
    Predicted,
    /// Each class.
    All,
    Class(Class),
    /// The first class's output minus the second's.
    Contrast(Class, Class),
}

/// A target with its labels found in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Class(usize),
    Contrast(usize, usize),
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
    pub predictions: Vec<Prediction>,
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
