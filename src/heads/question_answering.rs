//! Extractive question answering (Devlin et al. 2019): two logits per token, for start and end of
//! the answer.

use super::activation::OutputActivation;
use super::{Head, HeadContext, Labels};
use crate::checkpoint::LoadError;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let (block, outputs) = parts.head(&parts.built.heads.answer)?;
    if outputs != 2 {
        return Err(parts.fail(format!("the head has {outputs} outputs, not start and end")));
    }
    let labels = Labels::Named(vec!["start".to_owned(), "end".to_owned()]);
    Ok(Head { block, labels, activation: OutputActivation::SoftmaxOverTokens })
}
