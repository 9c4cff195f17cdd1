//! RoBERTa (Liu et al. 2019); also XLM-RoBERTa (Conneau et al. 2020) and CamemBERT (Martin et al.
//! 2020), which have the same structure.

use serde_json::json;

use super::Built;
use super::bert::encoder;
use super::common::{HeadNames, HeadParts, MaskedParts, Sizes, TransformNames};
use crate::blocks::{Activation, Encoder};
use crate::checkpoint::{Checkpoint, LoadError, ModelConfig, Weights};

/// Builds the description of the encoder with prefix `roberta.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let vocab_size = if config.model_type == "roberta" { 50265 } else { 30522 };
    let sizes = Sizes::read_over(json!({"vocab_size": vocab_size}), config, checkpoint)?;
    let activation = sizes.activation(checkpoint)?;
    let encoder = encoder(&sizes, activation, weights, "roberta", sizes.after_padding())?;
    Ok(built(&sizes, encoder))
}

/// Combines an encoder with RoBERTa's heads.
pub fn built(sizes: &Sizes, encoder: Encoder) -> Built {
    Built {
        hidden_size: sizes.hidden_size,
        max_positions: encoder.embeddings.numbering.max_tokens(sizes.max_position_embeddings),
        vocab_size: sizes.vocab_size,
        type_vocab_size: sizes.type_vocab_size,
        encoder,
        heads: HeadNames {
            sequence: HeadParts::first(
                TransformNames::plain("classifier.dense", Activation::Tanh),
                "classifier.out_proj",
            ),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            // The head uses exact GELU, independently of the layers.
            masked: Some(MaskedParts {
                transform: TransformNames::normed(
                    "lm_head.dense",
                    Activation::Gelu,
                    "lm_head.layer_norm",
                    sizes.layer_norm_eps,
                ),
                decoder: "lm_head.decoder.weight",
                biases: &["lm_head.bias", "lm_head.decoder.bias"],
            }),
            next_sentence: None,
        },
    }
}
