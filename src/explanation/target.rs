//! Targets: outputs of the model to explain.

use std::sync::Arc;

use crate::choice::choices;
use crate::rows::Scalar;

/// A class, by label or by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    Label(String),
    Index(usize),
}

/// Which output of the model is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The predicted output.
    Predicted,
    /// Every class; for a model with outputs per token, every class of every token.
    All,
    /// One output, of a token if the model has outputs per token.
    Class { token: Option<usize>, class: Class },
    /// The first class's output minus the second's.
    Contrast { token: Option<usize>, classes: [Class; 2] },
    /// The start or end of an answer; without a token, of the best span.
    SpanBoundary { border: SpanBoundary, token: Option<usize> },
}

choices! {
    /// An end of an answer.
    pub enum SpanBoundary { Start = "start", End = "end" }
}

/// A target, resolved to outputs of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The token whose output it is, if the model has outputs per token.
    pub token: Option<usize>,
    pub what: ScalarName,
    pub scalar: Scalar,
}

/// The name of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarName {
    Class(Named),
    Contrast(Named, Named),
    SpanBoundary(SpanBoundary),
    /// The similarity of two texts, as a function of the text with this segment index.
    Cosine(usize),
}

/// A class by index and label, of the model or of the candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub index: usize,
    pub label: Arc<str>,
}
