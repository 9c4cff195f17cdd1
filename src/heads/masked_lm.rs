//! Masked language model (Devlin et al. 2019): each token's transformed state → one logit per
//! vocabulary piece.

use serde_json::Value;

use super::activation::OutputActivation;
use super::{Head, HeadContext, Labels};
use crate::architectures::MaskedParts;
use crate::blocks::{self, Linear, Pooling, Step};
use crate::checkpoint::LoadError;

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
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

/// Returns the output map, tied to the word embeddings unless config.json unties it.
fn decoder(
    parts: &HeadContext<'_>,
    names: &MaskedParts,
    input: usize,
) -> Result<Linear, LoadError> {
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
