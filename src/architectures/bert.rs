//! BERT (Devlin et al. 2019), with the tensor names of transformers' `BertModel`.

use super::Built;
use super::common::{HeadNames, HeadParts, LAYER, MaskedParts, Sizes, TransformNames, layer};
use crate::blocks::{Activation, Embeddings, Encoder, Numbering};
use crate::checkpoint::{Checkpoint, LoadError, ModelConfig, Weights};

/// Builds the description of the encoder with prefix `bert.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let sizes = Sizes::read(config, checkpoint)?;
    let activation = sizes.activation(checkpoint)?;
    let encoder = encoder(&sizes, activation, weights, "bert", Numbering::FromZero)?;
    let pooled = |output| {
        HeadParts::first(TransformNames::plain("bert.pooler.dense", Activation::Tanh), output)
    };
    Ok(Built {
        encoder,
        hidden_size: sizes.hidden_size,
        max_positions: sizes.max_position_embeddings,
        vocab_size: sizes.vocab_size,
        type_vocab_size: sizes.type_vocab_size,
        heads: HeadNames {
            sequence: pooled("classifier"),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            masked: Some(MaskedParts {
                transform: TransformNames::normed(
                    "cls.predictions.transform.dense",
                    activation,
                    "cls.predictions.transform.LayerNorm",
                    sizes.layer_norm_eps,
                ),
                decoder: "cls.predictions.decoder.weight",
                biases: &["cls.predictions.bias", "cls.predictions.decoder.bias"],
            }),
            next_sentence: Some(pooled("cls.seq_relationship")),
        },
    })
}

/// Builds BERT's embedding block and layers with this prefix.
pub fn encoder(
    sizes: &Sizes,
    activation: Activation,
    weights: &Weights<'_>,
    prefix: &str,
    numbering: Numbering,
) -> Result<Encoder, LoadError> {
    let layer = |number: usize| {
        let name = format!("{prefix}.encoder.layer.{number}");
        layer(sizes, activation, &LAYER, weights, &name)
    };
    Ok(Encoder {
        embeddings: embeddings(sizes, weights, prefix, numbering)?,
        projection: None,
        layers: (0..sizes.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
        sequence: (0..sizes.num_hidden_layers).collect(),
        convolution: None,
        final_norm: None,
    })
}

/// Builds the word, position and (if there are any) token type embeddings, and their norm.
pub fn embeddings(
    sizes: &Sizes,
    weights: &Weights<'_>,
    prefix: &str,
    numbering: Numbering,
) -> Result<Embeddings, LoadError> {
    let width = sizes.embedding_size();
    let table = |name: &str, rows: usize| {
        weights.tensor(&format!("{prefix}.embeddings.{name}.weight"), &[rows, width])
    };
    let token_type = match sizes.type_vocab_size {
        0 => None,
        types => Some(table("token_type_embeddings", types)?),
    };
    let norm = format!("{prefix}.embeddings.LayerNorm");
    Ok(Embeddings {
        word: table("word_embeddings", sizes.vocab_size)?,
        position: Some(table("position_embeddings", sizes.max_position_embeddings)?),
        token_type,
        numbering,
        width,
        norm: weights.layer_norm(&norm, width, sizes.layer_norm_eps)?,
    })
}
