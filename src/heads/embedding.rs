//! A plain encoder: a text's embedding is what sentence-transformers' modules make of
//! its states; their mean where there are none.

use super::activation::OutputActivation;
use super::modules::{self, Chain, EMBEDDING};
use super::{Head, Labels, Parts};
use crate::blocks::{self, Pool, Pooling, Way};
use crate::checkpoint::LoadError;
use crate::checkpoint::layout::MODULES;

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let Chain { pool, steps, width, .. } = chain(parts)?;
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Whole(pool), steps },
        labels: Labels::Dimensions(width),
        activation: OutputActivation::None,
    })
}

/// The way to the embedding.
pub fn chain(parts: &Parts<'_>) -> Result<Chain, LoadError> {
    let Some(sentence) = parts.checkpoint.sentence() else {
        return Ok(Chain {
            pool: Pool { ways: vec![Way::Mean], skip: 0 },
            steps: Vec::new(),
            width: parts.built.hidden_size,
            output: EMBEDDING.to_owned(),
        });
    };
    let chain = modules::read(parts, &sentence.modules)?;
    match chain.output.as_str() {
        EMBEDDING => Ok(chain),
        other => {
            let reason = format!("the last module gives {other:?}, not {EMBEDDING:?}");
            Err(parts.checkpoint.error(MODULES, reason))
        }
    }
}
