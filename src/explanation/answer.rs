//! The answer to a question.

use std::ops::Range;
use std::sync::Arc;

use super::{Attention, Found, Inside, Located, Predicted, Resolved};
use crate::attribution::{Completeness, Granularity, Interactions, MethodEntry, Options, Sampling};
use crate::error::Result;
use crate::evaluation::{Evaluation, Warning};
use crate::model::Model;
use crate::passes::Usage;
use crate::rows::Output;
use crate::text::{CallerSpan, Token, Unit};

/// The answer to a [`Question`](super::Question).
pub struct Answer {
    pub model: Arc<Model>,
    /// One per input, in order; a failed input does not affect the others.
    pub results: Vec<(Option<String>, Result<Explained>)>,
    pub usage: Used,
}

impl Answer {
    /// Returns whether asking again would give the same answer: nothing failed, and nothing stopped
    /// early for lack of time.
    pub fn is_lasting(&self) -> bool {
        self.results.iter().all(|(_, result)| result.as_ref().is_ok_and(Explained::is_complete))
    }
}

impl Explained {
    fn is_complete(&self) -> bool {
        let complete = |one: &Explanation| match (one.sampling, one.completeness) {
            (Some(sampling), _) => sampling.finished,
            (None, completeness) => completeness.is_none_or(|completeness| completeness.converged),
        };
        let conductance = self.inside.as_ref().and_then(|inside| inside.conductance.as_ref());
        self.explanations.iter().all(complete)
            && conductance.is_none_or(|conductance| conductance.converged)
            && self.evidence.iter().all(|found| found.is_lasting())
            && self.evaluation.as_ref().is_none_or(|evaluation| evaluation.skipped.is_empty())
    }
}

/// What a request used.
#[derive(Debug, Clone, Default)]
pub struct Used {
    pub tokens: usize,
    /// Per method, over all inputs and targets.
    pub methods: Vec<(&'static str, Usage)>,
    pub passes: Usage,
}

impl Used {
    /// Creates zero usage for the methods of these names.
    pub fn by(methods: impl Iterator<Item = &'static str>) -> Self {
        let methods = methods.map(|name| (name, Usage::default())).collect();
        Self { methods, ..Self::default() }
    }

    /// Adds the usage of one input's methods. The targets of a method share its usage.
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
    /// Set if scores of sentences were requested.
    pub sentences: Option<Vec<Unit>>,
    /// Set if the caller marked spans.
    pub spans: Option<Vec<CallerSpan>>,
    pub explanations: Vec<Explanation>,
    pub attention: Option<Attention>,
    /// Set if views inside the model were requested.
    pub inside: Option<Inside>,
    /// Where the input lies along the requested concepts.
    pub concepts: Vec<Located>,
    /// Set if measures were requested.
    pub evaluation: Option<Evaluation>,
    /// The requested kinds of evidence.
    pub evidence: Vec<Box<dyn Found>>,
    /// Reasons to trust the answer less.
    pub warnings: Vec<Warning>,
    /// Set if the text was read in windows.
    pub windows: Option<Vec<WindowPart>>,
    pub truncated: bool,
}

/// One window of a text that is longer than the model's limit.
pub struct WindowPart {
    /// Its tokens, by their positions in the whole text.
    pub tokens: Range<usize>,
    pub predicted: Predicted,
    /// What it contributes to explanations.
    pub shares: Vec<WindowShare>,
}

/// What a window contributes to one explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowShare {
    /// Index of the explanation.
    pub explanation: usize,
    /// Factor of the window's scores.
    pub weight: f64,
    pub output_value: f64,
    pub completeness: Option<Completeness>,
}

impl Explanation {
    /// Returns whether the scores are within the method's tolerance, if it has one.
    pub fn converged(&self) -> Option<bool> {
        let sampled = self.sampling.map(|sampling| sampling.converged);
        sampled.or(self.completeness.map(|completeness| completeness.converged))
    }
}

/// One list of scores per kind of unit.
pub type UnitScores = Vec<(Granularity, Vec<f64>)>;

/// One method's scores for one target.
pub struct Explanation {
    pub method: &'static MethodEntry,
    pub options: Options,
    pub target: Resolved,
    pub output: Output,
    /// One list of scores per requested granularity: `[tokens]`, `[words]`, ….
    pub scores: UnitScores,
    /// The sum of the scores of each group of the lexicon's words.
    pub lexicon: Vec<(String, f64)>,
    /// Value of the explained scalar at the input.
    pub output_value: f64,
    pub completeness: Option<Completeness>,
    pub sampling: Option<Sampling>,
    /// The standard errors of `scores`, in their shape. Set by methods that sample.
    pub standard_error: Option<UnitScores>,
    /// The scores of pairs of units, by methods that find interactions.
    pub interactions: Option<Interactions>,
    /// What the method used, for all targets.
    pub usage: Usage,
}
