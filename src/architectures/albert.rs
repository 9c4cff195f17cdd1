//! ALBERT (Lan et al. 2020): a separate embedding size, and layers that share weights in groups.

use serde::Deserialize;
use serde_json::json;

use super::common::{
    HeadNames, HeadParts, LayerNames, MaskedParts, Sizes, TransformNames, layer, read,
};
use super::{Built, bert};
use crate::blocks::{Activation, Encoder, Numbering};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    embedding_size: usize,
    num_hidden_groups: usize,
    inner_group_num: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { embedding_size: 128, num_hidden_groups: 1, inner_group_num: 1 }
    }
}

const NAMES: LayerNames = LayerNames {
    query: "attention.query",
    key: "attention.key",
    value: "attention.value",
    attention_output: "attention.dense",
    attention_norm: "attention.LayerNorm",
    up: "ffn",
    down: "ffn_output",
    output_norm: "full_layer_layer_norm",
};

/// Builds the description of the encoder with prefix `albert.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let own: Config = read(config, checkpoint)?;
    let sizes = sizes(&own, config, checkpoint)?;
    let activation = sizes.activation(checkpoint)?;
    let (hidden, width) = (sizes.hidden_size, sizes.embedding_size());
    let projection = weights.linear("albert.encoder.embedding_hidden_mapping_in", hidden, width)?;
    // Checked before the loops: with empty groups, `num_hidden_groups` has no other bound.
    let sequence = sequence(sizes.num_hidden_layers, &own)
        .map_err(|reason| checkpoint.error(CONFIG, reason))?;
    let mut layers = Vec::new();
    for group in 0..own.num_hidden_groups {
        for inner in 0..own.inner_group_num {
            let name = format!("albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}");
            layers.push(layer(&sizes, activation, &NAMES, weights, &name)?);
        }
    }
    let pooler = TransformNames::plain("albert.pooler", Activation::Tanh);
    Ok(Built {
        encoder: Encoder {
            embeddings: bert::embeddings(&sizes, weights, "albert", Numbering::FromZero)?,
            projection: Some(projection),
            layers,
            sequence,
            convolution: None,
            final_norm: None,
        },
        hidden_size: hidden,
        max_positions: sizes.max_position_embeddings,
        vocab_size: sizes.vocab_size,
        type_vocab_size: sizes.type_vocab_size,
        heads: HeadNames {
            sequence: HeadParts::first(pooler, "classifier"),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            masked: Some(MaskedParts {
                transform: TransformNames::normed(
                    "predictions.dense",
                    activation,
                    "predictions.LayerNorm",
                    sizes.layer_norm_eps,
                ),
                decoder: "predictions.decoder.weight",
                biases: &["predictions.bias", "predictions.decoder.bias"],
            }),
            next_sentence: None,
        },
    })
}

/// Reads the sizes. transformers' defaults are those of the xxlarge ALBERT.
fn sizes(own: &Config, config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Sizes, LoadError> {
    let xxlarge = json!({
        "vocab_size": 30000,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
    });
    let sizes = Sizes::read_over(xxlarge, config, checkpoint)?;
    Ok(Sizes { embedding_size: Some(own.embedding_size), ..sizes })
}

/// Returns the layer indices in execution order: each hidden layer runs its group's inner layers.
fn sequence(hidden_layers: usize, own: &Config) -> Result<Vec<usize>, String> {
    let (count, inner) = (own.num_hidden_groups, own.inner_group_num);
    if count == 0 || inner == 0 || count > hidden_layers {
        return Err(format!(
            "{count} groups of {inner} layers cannot make up {hidden_layers} hidden layers"
        ));
    }
    let group = |layer: usize| layer * count / hidden_layers;
    let run = |layer| (0..inner).map(move |number| group(layer) * inner + number);
    Ok((0..hidden_layers).flat_map(run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_run_group_by_group() {
        let own = Config { num_hidden_groups: 2, inner_group_num: 2, ..Config::default() };
        assert_eq!(sequence(4, &own).unwrap(), [0, 1, 0, 1, 2, 3, 2, 3]);
        assert!(sequence(1, &own).is_err());
    }
}
