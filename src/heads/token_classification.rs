//! Token classification: each token's state → one logit per label.

use super::activation::OutputActivation;
use super::{Head, HeadContext, Labels};
use crate::checkpoint::LoadError;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let (block, labels) = parts.head(&parts.built.heads.tokens)?;
    let names = parts.labels(labels)?;
    Ok(Head { block, labels: Labels::Named(names), activation: OutputActivation::Softmax })
}
