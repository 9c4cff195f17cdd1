//! Sequence classification: a pooled state, transformed, to one logit a label.

use super::cross_encoder::activation;
use super::{Head, Labels, Parts};
use crate::checkpoint::LoadError;

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let (block, count) = parts.head(&parts.built.heads.sequence)?;
    let labels = Labels::Named(parts.labels(count)?);
    Ok(Head { block, labels, activation: activation(parts, count)? })
}
