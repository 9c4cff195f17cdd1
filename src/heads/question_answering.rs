//! Extractive question answering (Devlin et al. 2019): each token's state to two
//! logits, that the answer starts there and that it ends there.

use super::activation::OutputActivation;
use super::{Head, Labels, Parts};
use crate::checkpoint::LoadError;

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let (block, outputs) = parts.head(&parts.built.heads.answer)?;
    if outputs != 2 {
        return Err(parts.fail(format!("the head has {outputs} outputs, not start and end")));
    }
    let labels = Labels::Named(vec!["start".to_owned(), "end".to_owned()]);
    Ok(Head { block, labels, activation: OutputActivation::SoftmaxOverTokens })
}
