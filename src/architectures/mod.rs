//! One file per architecture, which maps its config.json and tensor names to blocks. To add one,
//! add a file and an entry of [`ARCHITECTURES`].

mod albert;
mod bert;
mod common;
mod deberta_v2;
mod distilbert;
mod electra;
mod modernbert;
mod mpnet;
mod roberta;
mod variants;

pub use common::{HeadNames, HeadParts, MaskedParts, NormNames, TransformNames};

use crate::blocks::Encoder;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// The description of an encoder, and what the rest of a model needs to know about it.
#[derive(Debug)]
pub struct Built {
    pub encoder: Encoder,
    pub hidden_size: usize,
    /// The maximum sequence length, special tokens included.
    pub max_positions: usize,
    pub vocab_size: usize,
    /// The number of token types; 0 if the model has none.
    pub type_vocab_size: usize,
    pub heads: HeadNames,
}

type Build = fn(&ModelConfig, &Checkpoint, &Weights<'_>) -> Result<Built, LoadError>;

/// An entry of [`ARCHITECTURES`].
pub struct Architecture {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    pub build: Build,
}

const fn entry(model_type: &'static str, build: Build) -> Architecture {
    Architecture { model_type, build }
}

pub static ARCHITECTURES: &[Architecture] = &[
    entry("albert", albert::build),
    entry("bert", bert::build),
    entry("camembert", roberta::build),
    entry("deberta-v2", deberta_v2::build),
    entry("distilbert", distilbert::build),
    entry("electra", electra::build),
    entry("modernbert", modernbert::build),
    entry("mpnet", mpnet::build),
    entry("roberta", roberta::build),
    entry("xlm-roberta", roberta::build),
];

/// Returns the architecture that `config` names. Refuses unsupported variants.
pub fn find(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
) -> Result<&'static Architecture, LoadError> {
    variants::check(config).map_err(|reason| checkpoint.error(CONFIG, reason))?;
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
