//! Sequence classification: the pooled and transformed state → one logit per label.

use super::cross_encoder::activation;
use super::{Head, HeadContext, Labels};
use crate::checkpoint::LoadError;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let (block, count) = parts.head(&parts.built.heads.sequence)?;
    let labels = Labels::Named(parts.labels(count)?);
    Ok(Head { block, labels, activation: activation(parts, count)? })
}
