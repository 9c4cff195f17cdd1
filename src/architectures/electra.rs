//! ELECTRA (Clark et al. 2020): BERT with a separate embedding size.

use serde::Deserialize;
use serde_json::json;

use super::common::{HeadNames, HeadParts, MaskedParts, Sizes, TransformNames, read};
use super::{Built, bert};
use crate::blocks::{Activation, Encoder, Numbering};
use crate::checkpoint::{Checkpoint, LoadError, ModelConfig, Weights};

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    embedding_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { embedding_size: 128 }
    }
}

/// Reads the sizes. transformers' defaults are those of the small ELECTRA.
fn sizes(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Sizes, LoadError> {
    let own: Config = read(config, checkpoint)?;
    let small = json!({"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024});
    let sizes = Sizes::read_over(small, config, checkpoint)?;
    Ok(Sizes { embedding_size: Some(own.embedding_size), ..sizes })
}

/// Builds the description of the encoder with prefix `electra.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let sizes = sizes(config, checkpoint)?;
    let activation = sizes.activation(checkpoint)?;
    let encoder = bert::encoder(&sizes, activation, weights, "electra", Numbering::FromZero)?;
    let (hidden, width) = (sizes.hidden_size, sizes.embedding_size());
    let projection = match hidden == width {
        true => None,
        false => Some(weights.linear("electra.embeddings_project", hidden, width)?),
    };
    // All heads use exact GELU, independently of the layers.
    let gelu = Activation::Gelu;
    Ok(Built {
        encoder: Encoder { projection, ..encoder },
        hidden_size: hidden,
        max_positions: sizes.max_position_embeddings,
        vocab_size: sizes.vocab_size,
        type_vocab_size: sizes.type_vocab_size,
        heads: HeadNames {
            sequence: HeadParts::first(
                TransformNames::plain("classifier.dense", gelu),
                "classifier.out_proj",
            ),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            masked: Some(MaskedParts {
                transform: TransformNames::normed(
                    "generator_predictions.dense",
                    gelu,
                    "generator_predictions.LayerNorm",
                    sizes.layer_norm_eps,
                ),
                decoder: "generator_lm_head.weight",
                biases: &["generator_lm_head.bias"],
            }),
            next_sentence: None,
        },
    })
}
