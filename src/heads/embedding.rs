//! A plain encoder: a text's embedding is the mean of its tokens' states or the
//! first one's, as sentence-transformers' `1_Pooling/config.json` says (Reimers
//! & Gurevych 2019); the mean where there is no such file.

use serde_json::Value;

use super::activation::OutputActivation;
use super::{Head, Labels, Parts};
use crate::blocks::{self, Pooling};
use crate::checkpoint::{LoadError, POOLING};

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let block = blocks::Head { pooling: pooling(parts)?, transform: None, output: None };
    Ok(Head {
        block,
        labels: Labels::Dimensions(parts.built.hidden_size),
        activation: OutputActivation::None,
    })
}

fn pooling(parts: &Parts<'_>) -> Result<Pooling, LoadError> {
    let Some(file) = parts.checkpoint.file(POOLING) else { return Ok(Pooling::Mean) };
    let fail = |reason: String| parts.checkpoint.error(POOLING, reason);
    let file: Value = serde_json::from_slice(file).map_err(|error| fail(error.to_string()))?;
    let file = file.as_object().ok_or_else(|| fail("is no JSON object".to_owned()))?;
    let chosen = file.iter().filter(|(_, value)| **value == Value::Bool(true));
    let modes = chosen.map(|(name, _)| name.as_str());
    let modes: Vec<&str> = modes.filter(|name| name.starts_with("pooling_mode")).collect();
    match modes[..] {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        _ => Err(fail(format!("pools by {modes:?}; the mean and the first token are known"))),
    }
}
