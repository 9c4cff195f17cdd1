//! Token classification: each token's state to one logit a label.

use super::activation::OutputActivation;
use super::{Head, Labels, Parts};
use crate::checkpoint::LoadError;

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let (block, labels) = parts.head(&parts.built.heads.tokens)?;
    let names = parts.labels(labels)?;
    Ok(Head { block, labels: Labels::Named(names), activation: OutputActivation::Softmax })
}
