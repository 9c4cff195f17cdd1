//! The masked language model (Devlin et al. 2019): a token's state, transformed,
//! to one logit for each piece of the vocabulary.

use serde_json::Value;

use super::activation::OutputActivation;
use super::{Head, Labels, Parts};
use crate::architectures::MaskedParts;
use crate::blocks::{self, Linear, Pooling, Step};
use crate::checkpoint::LoadError;

pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let Some(names) = &parts.built.heads.masked else {
        return Err(parts.fail("this architecture has no masked language model"));
    };
    let width = parts.built.encoder.embeddings.width;
    let mut steps = parts.transform(&names.transform, width)?;
    steps.push(Step::map(decoder(parts, names, width)?, None));
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Tokens, steps },
        labels: Labels::Pieces(parts.built.vocab_size),
        activation: OutputActivation::Softmax,
    })
}

/// The word embeddings as a map, unless config.json unties them.
fn decoder(parts: &Parts<'_>, names: &MaskedParts, input: usize) -> Result<Linear, LoadError> {
    let out = parts.built.vocab_size;
    let tied = parts.config.rest.get("tie_word_embeddings").and_then(Value::as_bool);
    let weight = match tied {
        Some(false) => parts.weights.tensor(names.decoder, &[out, input])?,
        Some(true) | None => parts.built.encoder.embeddings.word.clone(),
    };
    let stored = names.biases.iter().find(|name| parts.weights.has(name));
    let bias = match (stored, names.biases.first()) {
        (Some(name), _) | (None, Some(name)) => Some(parts.weights.tensor(name, &[out])?),
        (None, None) => None,
    };
    Ok(Linear { weight, bias, input, out })
}
