//! What is answered.

use std::ops::Range;
use std::sync::Arc;

use super::{Attention, Predicted, Resolved};
use crate::attribution::{Completeness, Granularity, MethodEntry, Options, Sampling};
use crate::error::Result;
use crate::evaluation::{Evaluation, Warning};
use crate::model::Model;
use crate::passes::Usage;
use crate::rows::Output;
use crate::text::{CallerSpan, Token, Unit};

/// The answer to a [`Question`](super::Question).
pub struct Answer {
    pub model: Arc<Model>,
    /// One an input, in order; a bad input does not spoil the others.
    pub results: Vec<(Option<String>, Result<Explained>)>,
    pub usage: Used,
}

impl Answer {
    /// Whether the same question would be answered the same another time: nothing
    /// failed, and nothing had to stop for lack of time.
    pub fn is_lasting(&self) -> bool {
        self.results.iter().all(|(_, result)| result.as_ref().is_ok_and(Explained::is_complete))
    }
}

impl Explained {
    fn is_complete(&self) -> bool {
        let complete = |one: &Explanation| {
            one.sampling.is_none_or(|sampling| sampling.finished)
                && one.completeness.is_none_or(|completeness| completeness.converged)
        };
        self.explanations.iter().all(complete)
            && self.evaluation.as_ref().is_none_or(|evaluation| evaluation.skipped.is_empty())
    }
}

/// What a request took.
#[derive(Debug, Clone, Default)]
pub struct Used {
    pub tokens: usize,
    /// Of each method, over all inputs and targets.
    pub methods: Vec<(&'static str, Usage)>,
    pub passes: Usage,
}

impl Used {
    /// Nothing yet, by these methods.
    pub fn by(methods: impl Iterator<Item = &'static str>) -> Self {
        let methods = methods.map(|name| (name, Usage::default())).collect();
        Self { methods, ..Self::default() }
    }

    /// Adds what one input's methods took; targets of a method share its cost.
    pub fn add(&mut self, explained: &Explained) {
        let targets = explained.explanations.len() / self.methods.len().max(1);
        let firsts = explained.explanations.iter().step_by(targets.max(1));
        for ((_, usage), first) in self.methods.iter_mut().zip(firsts) {
            usage.add(first.usage);
        }
    }
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
    pub tokens: Range<usize>,
    pub predicted: Predicted,
    /// Of each explanation that it counts for.
    pub shares: Vec<WindowShare>,
}

/// What a part adds to one explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowShare {
    /// Its number among the explanations.
    pub explanation: usize,
    /// What its scores are multiplied with.
    pub weight: f64,
    pub output_value: f64,
    pub completeness: Option<Completeness>,
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
