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
    let named = config.rest.get("sbert_ce_default_activation_function");
    let named = named.or_else(|| config.rest.get("sentence_transformers")?.get("activation_fn"));
    let class = named.and_then(Value::as_str).and_then(|path| path.rsplit('.').next());
    match class {
        Some("Identity") => OutputActivation::None,
        Some("Sigmoid") => OutputActivation::Sigmoid,
        Some("Softmax") => OutputActivation::Softmax,
        _ => OutputActivation::of(config.problem_type.as_deref(), labels),
    }
}
