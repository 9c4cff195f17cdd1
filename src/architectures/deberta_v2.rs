//! DeBERTa v2 and v3 (He et al. 2021): BERT's layers with disentangled attention between content
//! and relative position.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::common::{
    HeadNames, HeadParts, LAYER, LayerNames, MaskedParts, Sizes, TransformNames, activation, layer,
    read,
};
use super::{Built, bert};
use crate::blocks::{
    Convolution, Disentangled, Distances, Embeddings, Encoder, LayerNorm, Linear, Numbering,
    Relation, Stored,
};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// DeBERTa's own fields of config.json.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    embedding_size: Option<usize>,
    relative_attention: bool,
    max_relative_positions: i64,
    position_buckets: i64,
    position_biased_input: bool,
    share_att_key: bool,
    pos_att_type: AttentionTypes,
    norm_rel_ebd: String,
    conv_kernel_size: usize,
    conv_groups: usize,
    conv_act: String,
    pooler_hidden_act: String,
    legacy: bool,
}

/// The defaults of transformers.
impl Default for Config {
    fn default() -> Self {
        Self {
            embedding_size: None,
            relative_attention: false,
            max_relative_positions: -1,
            position_buckets: -1,
            position_biased_input: true,
            share_att_key: false,
            pos_att_type: AttentionTypes::default(),
            norm_rel_ebd: "none".to_owned(),
            conv_kernel_size: 0,
            conv_groups: 1,
            conv_act: "tanh".to_owned(),
            pooler_hidden_act: "gelu".to_owned(),
            legacy: true,
        }
    }
}

/// `"c2p|p2c"` or `["c2p", "p2c"]`
#[derive(Deserialize)]
#[serde(untagged)]
enum AttentionTypes {
    Text(String),
    List(Vec<String>),
}

impl Default for AttentionTypes {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl AttentionTypes {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => text.split('|').any(|part| part.trim().eq_ignore_ascii_case(name)),
            Self::List(list) => list.iter().any(|part| part.trim().eq_ignore_ascii_case(name)),
        }
    }
}

const NAMES: LayerNames = LayerNames {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    ..LAYER
};

/// Builds the description of the encoder with prefix `deberta.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let own: Config = read(config, checkpoint)?;
    let sizes = sizes(config, checkpoint)?;
    own.check(&sizes).map_err(|reason| checkpoint.error(CONFIG, reason))?;
    let act = sizes.activation(checkpoint)?;
    let relative = Relative::new(&own, &sizes, weights)?;
    let layer = |number: usize| {
        let prefix = format!("deberta.encoder.layer.{number}");
        let mut layer = layer(&sizes, act, &NAMES, weights, &prefix)?;
        let parts = relative.of_layer(&own, &layer.attention, weights, &prefix)?;
        layer.attention.relation = Relation::Disentangled(Box::new(parts));
        Ok(layer)
    };
    let pooler = activation("pooler_hidden_act", &own.pooler_hidden_act, checkpoint)?;
    Ok(Built {
        encoder: Encoder {
            embeddings: embeddings(&own, &sizes, weights)?,
            projection: None,
            layers: (0..sizes.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
            sequence: (0..sizes.num_hidden_layers).collect(),
            convolution: own.convolution(&sizes, weights, checkpoint)?,
            final_norm: None,
        },
        hidden_size: sizes.hidden_size,
        max_positions: sizes.max_position_embeddings,
        vocab_size: sizes.vocab_size,
        type_vocab_size: sizes.type_vocab_size,
        heads: HeadNames {
            sequence: HeadParts::first(TransformNames::plain("pooler.dense", pooler), "classifier"),
            tokens: HeadParts::tokens("classifier"),
            answer: HeadParts::tokens("qa_outputs"),
            masked: Some(own.masked(&sizes, act)),
            next_sentence: None,
        },
    })
}

/// Reads the sizes. transformers' defaults are those of deberta-v2-xlarge.
fn sizes(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Sizes, LoadError> {
    let xlarge = json!({
        "vocab_size": 128_100,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-7,
    });
    Sizes::read_over(xlarge, config, checkpoint)
}

impl Config {
    /// Refuses variants that no released model uses.
    fn check(&self, sizes: &Sizes) -> Result<(), String> {
        if self.conv_groups != 1
            || (self.conv_kernel_size > 0 && self.conv_kernel_size.is_multiple_of(2))
        {
            return Err("conv_groups must be 1 and conv_kernel_size odd".to_owned());
        }
        if self.embedding_size.is_some_and(|size| size != sizes.hidden_size) {
            return Err("embedding_size must be hidden_size for DeBERTa".to_owned());
        }
        if !self.relative_attention {
            return Err("DeBERTa without relative_attention is not supported".to_owned());
        }
        Ok(())
    }

    fn convolution(
        &self,
        sizes: &Sizes,
        weights: &Weights<'_>,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Convolution>, LoadError> {
        let (size, hidden) = (self.conv_kernel_size, sizes.hidden_size);
        if size == 0 {
            return Ok(None);
        }
        let prefix = "deberta.encoder.conv";
        let weight = weights.tensor(&format!("{prefix}.conv.weight"), &[hidden, hidden, size])?;
        let bias = Some(weights.tensor(&format!("{prefix}.conv.bias"), &[hidden])?);
        let norm = format!("{prefix}.LayerNorm");
        Ok(Some(Convolution {
            map: Linear { weight, bias, input: hidden * size, out: hidden },
            size,
            activation: activation("conv_act", &self.conv_act, checkpoint)?,
            norm: weights.layer_norm(&norm, hidden, sizes.layer_norm_eps)?,
        }))
    }

    /// Returns the masked language model head of the legacy or the current code of transformers.
    fn masked(&self, sizes: &Sizes, act: crate::blocks::Activation) -> MaskedParts {
        let (dense, norm, biases): (_, _, &[&str]) = match self.legacy {
            true => (
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                &["cls.predictions.bias", "cls.predictions.decoder.bias"],
            ),
            false => (
                "lm_predictions.lm_head.dense",
                "lm_predictions.lm_head.LayerNorm",
                &["lm_predictions.lm_head.bias"],
            ),
        };
        MaskedParts {
            transform: TransformNames::normed(dense, act, norm, sizes.layer_norm_eps),
            decoder: "cls.predictions.decoder.weight",
            biases,
        }
    }
}

fn embeddings(own: &Config, sizes: &Sizes, weights: &Weights<'_>) -> Result<Embeddings, LoadError> {
    if own.position_biased_input {
        return bert::embeddings(sizes, weights, "deberta", Numbering::FromZero);
    }
    let width = sizes.hidden_size;
    let table = |name: &str, rows| {
        weights.tensor(&format!("deberta.embeddings.{name}.weight"), &[rows, width])
    };
    let token_type = match sizes.type_vocab_size {
        0 => None,
        types => Some(table("token_type_embeddings", types)?),
    };
    let norm = weights.layer_norm("deberta.embeddings.LayerNorm", width, sizes.layer_norm_eps)?;
    Ok(Embeddings {
        word: table("word_embeddings", sizes.vocab_size)?,
        position: None,
        token_type,
        numbering: Numbering::FromZero,
        width,
        norm,
    })
}

/// The relative position embeddings that all layers share.
struct Relative {
    embeddings: Stored,
    norm: Option<LayerNorm>,
    distances: Arc<Distances>,
}

impl Relative {
    fn new(own: &Config, sizes: &Sizes, weights: &Weights<'_>) -> Result<Self, LoadError> {
        let max = match usize::try_from(own.max_relative_positions) {
            Ok(max) if max > 0 => max,
            _ => sizes.max_position_embeddings,
        };
        let buckets = usize::try_from(own.position_buckets).unwrap_or_default();
        let span = if buckets > 0 { buckets } else { max };
        let hidden = sizes.hidden_size;
        let embeddings =
            weights.tensor("deberta.encoder.rel_embeddings.weight", &[2 * span, hidden])?;
        let norm = own.norm_rel_ebd.to_lowercase();
        let norm = norm.split('|').any(|name| name.trim() == "layer_norm");
        let norm = norm
            .then(|| weights.layer_norm("deberta.encoder.LayerNorm", hidden, sizes.layer_norm_eps));
        let index = |distance: i64| {
            let bucket = if buckets > 0 { log_bucket(distance, buckets, max) } else { distance };
            (bucket + span as i64).clamp(0, 2 * span as i64 - 1) as usize
        };
        let distances = Arc::new(Distances::new(sizes.max_position_embeddings, index));
        Ok(Self { embeddings, norm: norm.transpose()?, distances })
    }

    fn of_layer(
        &self,
        own: &Config,
        attention: &crate::blocks::Attention,
        weights: &Weights<'_>,
        prefix: &str,
    ) -> Result<Disentangled, LoadError> {
        let width = attention.query.input;
        let map = |used: bool, shared: &crate::blocks::Linear, name: &str| match own.share_att_key {
            _ if !used => Ok(None),
            true => Ok(Some(shared.clone())),
            false => {
                let name = format!("{prefix}.attention.self.{name}");
                weights.linear(&name, shared.out, shared.input).map(Some)
            }
        };
        let (c2p, p2c) = (own.pos_att_type.has("c2p"), own.pos_att_type.has("p2c"));
        Ok(Disentangled {
            embeddings: self.embeddings.clone(),
            width,
            terms: 1 + usize::from(c2p) + usize::from(p2c),
            norm: self.norm.clone(),
            key: map(c2p, &attention.key, "pos_key_proj")?,
            query: map(p2c, &attention.query, "pos_query_proj")?,
            distances: Arc::clone(&self.distances),
        })
    }
}

/// Maps a distance to its signed bucket: exact up to half of the buckets, logarithmic beyond,
/// rounded as in transformers.
fn log_bucket(distance: i64, buckets: usize, max: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    let magnitude = distance.abs();
    if magnitude <= middle {
        return distance;
    }
    let (middle_f, max) = (middle as f32, max as f32);
    let fraction = (magnitude as f32 / middle_f).ln() / ((max - 1.) / middle_f).ln();
    distance.signum() * (middle + (fraction * (middle_f - 1.)).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_near_and_logarithmic_far() {
        for distance in -128..=128 {
            assert_eq!(log_bucket(distance, 256, 512), distance);
        }
        assert_eq!(log_bucket(511, 256, 512), 255);
        assert_eq!(log_bucket(-511, 256, 512), -255);
        assert_eq!(log_bucket(129, 256, 512), 129);
    }

    #[test]
    fn pos_att_type_is_a_list_or_a_string() {
        for json in [r#""c2p|p2c""#, r#"["p2c", "c2p"]"#] {
            let types: AttentionTypes = serde_json::from_str(json).unwrap();
            assert!(types.has("c2p") && types.has("p2c") && !types.has("p2p"));
        }
    }
}
