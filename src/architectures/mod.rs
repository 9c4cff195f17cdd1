//! One file an architecture: how its config.json and its tensor names map onto
//! the block kinds. A new one is a file and an entry of [`ARCHITECTURES`].

mod bert;

use crate::blocks::Encoder;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// A description of an encoder, and the sizes that the rest of a model needs to know.
#[derive(Debug)]
pub struct Built {
    pub encoder: Encoder,
    pub hidden_size: usize,
    /// The longest sequence that has positions, special tokens included.
    pub max_positions: usize,
    pub vocab_size: usize,
    pub type_vocab_size: usize,
}

/// An entry of [`ARCHITECTURES`].
pub struct Architecture {
    /// config.json's `model_type`.
    pub model_type: &'static str,
    pub build: fn(&ModelConfig, &Checkpoint, &Weights<'_>) -> Result<Built, LoadError>,
}

pub static ARCHITECTURES: &[Architecture] =
    &[Architecture { model_type: "bert", build: bert::build }];

/// The architecture that `config` names.
pub fn find(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
) -> Result<&'static Architecture, LoadError> {
    ARCHITECTURES.iter().find(|entry| entry.model_type == config.model_type).ok_or_else(|| {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|entry| entry.model_type).collect();
        let reason = format!(
            "model_type {:?} is not known; explaind runs {}",
            config.model_type,
            known.join(", ")
        );
        checkpoint.error(CONFIG, reason)
    })
}
