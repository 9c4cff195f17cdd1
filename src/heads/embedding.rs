//! Text embeddings: sentence-transformers' modules applied to the states, or their mean without
//! modules.

use super::activation::OutputActivation;
use super::modules::{self, Chain, EMBEDDING};
use super::{Head, HeadContext, Labels};
use crate::blocks::{self, Pool, Pooling, PoolingMode};
use crate::checkpoint::LoadError;
use crate::checkpoint::layout::MODULES;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let Chain { pool, steps, width, .. } = chain(parts)?;
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Whole(pool), steps },
        labels: Labels::Dimensions(width),
        activation: OutputActivation::None,
    })
}

/// Returns the steps from states to the embedding.
pub fn chain(parts: &HeadContext<'_>) -> Result<Chain, LoadError> {
    let Some(sentence) = parts.checkpoint.sentence() else {
        return Ok(Chain {
            pool: Pool { modes: vec![PoolingMode::Mean], skip: 0 },
            steps: Vec::new(),
            width: parts.built.hidden_size,
            output: EMBEDDING.to_owned(),
        });
    };
    let chain = modules::read(parts, &sentence.modules)?;
    match chain.output.as_str() {
        EMBEDDING => Ok(chain),
        other => {
            let reason = format!("the last module outputs {other:?}, not {EMBEDDING:?}");
            Err(parts.checkpoint.error(MODULES, reason))
        }
    }
}
