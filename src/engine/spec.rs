//! What a model id stands for.

use std::fs;

use crate::checkpoint::Source;
use crate::heads::activation::OutputActivation;
use crate::model::Dtype;

/// What to load for an id. Models with equal specs share their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    pub source: Source,
    pub activation: Option<OutputActivation>,
    pub dtype: Dtype,
}

impl ModelSpec {
    /// `activation` overrides config.json.
    pub fn new(source: Source, activation: Option<OutputActivation>, dtype: Dtype) -> Self {
        let source = match source {
            // Canonical, so that equal folders compare equal. A missing folder fails when read.
            Source::Directory(path) => Source::Directory(fs::canonicalize(&path).unwrap_or(path)),
            other => other,
        };
        Self { source, activation, dtype }
    }
}
