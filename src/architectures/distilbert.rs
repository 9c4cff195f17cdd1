//! DistilBERT (Sanh et al. 2019): BERT without token types and pooler, with its own tensor names.

use serde::Deserialize;

use super::Built;
use super::common::{
    HeadNames, HeadParts, LayerNames, MaskedParts, Sizes, TransformNames, layer, read,
};
use super::{bert, common};
use crate::blocks::{Activation, Encoder, Numbering};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    max_position_embeddings: usize,
    activation: String,
    // BERT's names, which transformers also accepts.
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
}

/// The defaults of transformers.
impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            dim: 768,
            n_layers: 6,
            n_heads: 12,
            hidden_dim: 3072,
            max_position_embeddings: 512,
            activation: "gelu".to_owned(),
            hidden_size: None,
            num_hidden_layers: None,
            num_attention_heads: None,
        }
    }
}

/// The epsilon of every norm; config.json does not override it.
const EPS: f64 = 1e-12;

const NAMES: LayerNames = LayerNames {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// Builds the description of the encoder with prefix `distilbert.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let config: Config = read(config, checkpoint)?;
    let activation = common::activation("activation", &config.activation, checkpoint)?;
    let sizes = Sizes {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size.unwrap_or(config.dim),
        num_hidden_layers: config.num_hidden_layers.unwrap_or(config.n_layers),
        num_attention_heads: config.num_attention_heads.unwrap_or(config.n_heads),
        intermediate_size: config.hidden_dim,
        max_position_embeddings: config.max_position_embeddings,
        type_vocab_size: 0,
        hidden_act: config.activation,
        layer_norm_eps: EPS,
        embedding_size: None,
        pad_token_id: None,
    };
    sizes.check().map_err(|reason| checkpoint.error(CONFIG, reason))?;
    let layer = |number: usize| {
        let prefix = format!("distilbert.transformer.layer.{number}");
        layer(&sizes, activation, &NAMES, weights, &prefix)
    };
    let encoder = Encoder {
        embeddings: bert::embeddings(&sizes, weights, "distilbert", Numbering::FromZero)?,
        projection: None,
        layers: (0..sizes.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
        sequence: (0..sizes.num_hidden_layers).collect(),
        convolution: None,
        final_norm: None,
    };
    Ok(Built {
        encoder,
        hidden_size: sizes.hidden_size,
        max_positions: sizes.max_position_embeddings,
        vocab_size: sizes.vocab_size,
        type_vocab_size: 0,
        heads: HeadNames {
            sequence: HeadParts::first(
                TransformNames::plain("pre_classifier", Activation::Relu),
                "classifier",
            ),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            masked: Some(MaskedParts {
                transform: TransformNames::normed(
                    "vocab_transform",
                    activation,
                    "vocab_layer_norm",
                    EPS,
                ),
                decoder: "vocab_projector.weight",
                biases: &["vocab_projector.bias"],
            }),
            next_sentence: None,
        },
    })
}
