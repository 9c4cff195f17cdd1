//! MPNet (Song et al. 2020): RoBERTa's position ids and heads, BERT's layers, and a bias per
//! distance.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::common::{LAYER, LayerNames, Sizes, layer, read};
use super::{Built, bert, roberta};
use crate::blocks::{Distances, Encoder, Numbering, Relation};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

const NAMES: LayerNames = LayerNames {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ..LAYER
};

/// The number of buckets that transformers uses, whatever config.json says.
const BUCKETS: usize = 32;

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    /// Number of rows in the bias table.
    relative_attention_num_buckets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { relative_attention_num_buckets: BUCKETS }
    }
}

/// The padding id from which positions are counted; hard-coded in transformers, too.
const PADDING: u32 = 1;

/// Builds the description of the encoder with prefix `mpnet.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let own: Config = read(config, checkpoint)?;
    let rows = own.relative_attention_num_buckets;
    if rows < BUCKETS {
        let reason = format!("relative_attention_num_buckets is {rows}, less than {BUCKETS}");
        return Err(checkpoint.error(CONFIG, reason));
    }
    let sizes = Sizes::read_over(json!({"vocab_size": 30527}), config, checkpoint)?;
    let sizes = Sizes { type_vocab_size: 0, ..sizes };
    let activation = sizes.activation(checkpoint)?;
    let numbering = Numbering::AfterPadding(PADDING);
    let embeddings = bert::embeddings(&sizes, weights, "mpnet", numbering)?;
    let max_tokens = numbering.max_tokens(sizes.max_position_embeddings);
    let table = "mpnet.encoder.relative_attention_bias.weight";
    let relation = Relation::Bias {
        table: weights.tensor(table, &[rows, sizes.num_attention_heads])?,
        distances: Arc::new(Distances::new(max_tokens, bucket)),
    };
    let layer = |number: usize| {
        let prefix = format!("mpnet.encoder.layer.{number}");
        let mut layer = layer(&sizes, activation, &NAMES, weights, &prefix)?;
        layer.attention.relation = relation.clone();
        Ok(layer)
    };
    let encoder = Encoder {
        embeddings,
        projection: None,
        layers: (0..sizes.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
        sequence: (0..sizes.num_hidden_layers).collect(),
        convolution: None,
        final_norm: None,
    };
    Ok(roberta::built(&sizes, encoder))
}

/// T5's buckets (Raffel et al. 2020): 16 per side, the first 8 exact, the others logarithmic up to
/// 128. Computed in integers: `ln(m / 8) / ln 16 * 8 >= k` means `m² >= 64 · 2^k`.
fn bucket(distance: i64) -> usize {
    let side = if distance < 0 { BUCKETS / 2 } else { 0 };
    let size = distance.unsigned_abs() as usize;
    if size < 8 {
        return side + size;
    }
    let steps = (size * size / 64).ilog2() as usize;
    side + (8 + steps).min(BUCKETS / 2 - 1)
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn buckets_start_at_the_distances_of_transformers() {
        let starts = [(8, 8), (12, 9), (16, 10), (23, 11), (32, 12), (46, 13), (64, 14), (91, 15)];
        for (distance, expected) in starts {
            assert_eq!(bucket(distance), expected, "{distance}");
            assert_eq!(bucket(distance - 1), expected - 1, "{distance} - 1");
            assert_eq!(bucket(-distance), 16 + expected, "-{distance}");
        }
        assert_eq!(bucket(511), 15);
    }
}
