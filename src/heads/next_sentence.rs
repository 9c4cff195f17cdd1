//! Next sentence prediction (Devlin et al. 2019): whether the second text follows the first.

use super::activation::OutputActivation;
use super::{Head, HeadContext, Labels};
use crate::checkpoint::LoadError;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let Some(names) = &parts.built.heads.next_sentence else {
        return Err(parts.fail("this architecture has no next sentence prediction"));
    };
    let (block, outputs) = parts.head(names)?;
    if outputs != 2 {
        return Err(parts.fail(format!("the head has {outputs} outputs, not 2")));
    }
    let labels = Labels::Named(vec!["IS_NEXT".to_owned(), "NOT_NEXT".to_owned()]);
    Ok(Head { block, labels, activation: OutputActivation::Softmax })
}
