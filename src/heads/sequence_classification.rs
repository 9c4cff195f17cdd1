//! Sequence classification: a pooled state, transformed, to one logit a label.

use serde_json::Value;

use super::activation::OutputActivation;
use super::{Head, Labels, Parts};
use crate::checkpoint::{LoadError, ModelConfig};

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let (block, labels) = parts.head(&parts.built.heads.sequence)?;
    let names = parts.config.labels(labels).map_err(|reason| parts.fail(reason))?;
    let activation = activation(parts.config, labels);
    Ok(Head { block, labels: Labels::Named(names), activation })
}

/// transformers' rule, unless a cross-encoder says what it was trained for.
fn activation(config: &ModelConfig, labels: usize) -> OutputActivation {
    let field = |name: &str| config.rest.get(name);
    let named = field("sentence_transformers").and_then(|own| own.get("activation_fn"));
    let named = named.and_then(Value::as_str);
    // As versions before 4 of sentence-transformers wrote it.
    let older = || field("sbert_ce_default_activation_function").and_then(Value::as_str);
    let class = named.or_else(older).and_then(|path| path.rsplit('.').next());
    match class {
        Some("Identity") => OutputActivation::None,
        Some("Sigmoid") => OutputActivation::Sigmoid,
        Some("Softmax") => OutputActivation::Softmax,
        _ => OutputActivation::of(config.problem_type.as_deref(), labels),
    }
}
