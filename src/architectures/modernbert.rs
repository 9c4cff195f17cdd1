//! ModernBERT (Warner et al. 2024): norms before the blocks, rotary positions,
//! a gated feed-forward, and layers that look only at their neighbourhood.

use serde::Deserialize;

use super::Built;
use super::common::{
    HeadNames, HeadParts, MaskedParts, NormNames, TransformNames, activation, read,
};
use crate::blocks::{
    Activation, Attention, Embeddings, Encoder, FeedForward, Layer, Numbering, Order, Pooling,
    Relation,
};
use crate::checkpoint::weights::Bias;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// Its fields, with transformers' defaults.
#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "gelu")]
    hidden_activation: String,
    #[serde(default = "eps")]
    norm_eps: f64,
    #[serde(default)]
    norm_bias: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "every")]
    global_attn_every_n_layers: usize,
    layer_types: Option<Vec<String>>,
    #[serde(default = "window")]
    local_attention: usize,
    #[serde(default = "global_theta")]
    global_rope_theta: f64,
    local_rope_theta: Option<f64>,
    rope_parameters: Option<Ropes>,
    #[serde(default = "cls")]
    classifier_pooling: String,
    #[serde(default = "gelu")]
    classifier_activation: String,
    #[serde(default)]
    classifier_bias: bool,
    #[serde(default = "yes")]
    decoder_bias: bool,
}

#[derive(Deserialize)]
struct Ropes {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Deserialize)]
struct Rope {
    rope_theta: f64,
    #[serde(default = "default_rope")]
    rope_type: String,
}

fn default_rope() -> String {
    "default".to_owned()
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn eps() -> f64 {
    1e-5
}

fn every() -> usize {
    3
}

fn window() -> usize {
    128
}

fn global_theta() -> f64 {
    160_000.
}

/// Where config.json has the field, but null, the global one holds.
fn local_theta() -> f64 {
    10_000.
}

fn cls() -> String {
    "cls".to_owned()
}

fn yes() -> bool {
    true
}

const fn bias(stored: bool) -> Bias {
    if stored { Bias::Stored } else { Bias::None }
}

/// Describes the encoder below the prefix `model.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let has_local_theta = config.rest.contains_key("local_rope_theta");
    let config: Config = read(config, checkpoint)?;
    let fail = |reason: String| checkpoint.error(CONFIG, reason);
    let sequence = config.pooling().map_err(fail)?;
    config.check().map_err(fail)?;
    let act = activation("hidden_activation", &config.hidden_activation, checkpoint)?;
    let head_act = activation("classifier_activation", &config.classifier_activation, checkpoint)?;
    let norm = |name: &str| {
        let (size, bias) = (config.hidden_size, bias(config.norm_bias));
        weights.norm(name, size, config.norm_eps, bias)
    };
    let word = "model.embeddings.tok_embeddings.weight";
    let layers = (0..config.num_hidden_layers)
        .map(|number| config.layer(number, act, has_local_theta, weights));
    let encoder = Encoder {
        embeddings: Embeddings {
            word: weights.tensor(word, &[config.vocab_size, config.hidden_size])?,
            position: None,
            token_type: None,
            numbering: Numbering::FromZero,
            width: config.hidden_size,
            norm: norm("model.embeddings.norm")?,
        },
        projection: None,
        layers: layers.collect::<Result<_, _>>()?,
        sequence: (0..config.num_hidden_layers).collect(),
        convolution: None,
        final_norm: Some(norm("model.final_norm")?),
    };
    Ok(Built {
        encoder,
        hidden_size: config.hidden_size,
        max_positions: config.max_position_embeddings,
        vocab_size: config.vocab_size,
        type_vocab_size: 0,
        heads: config.heads(sequence, head_act),
    })
}

impl Config {
    fn check(&self) -> Result<(), String> {
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || !hidden.is_multiple_of(heads) || !(hidden / heads).is_multiple_of(2) {
            return Err(format!("hidden_size {hidden} does not make {heads} heads of even size"));
        }
        if self.num_hidden_layers == 0 || self.intermediate_size == 0 {
            return Err("num_hidden_layers or intermediate_size is 0".to_owned());
        }
        if self.layer_types.as_ref().is_some_and(|types| types.len() != self.num_hidden_layers) {
            return Err("layer_types must name each layer".to_owned());
        }
        let ropes = self.rope_parameters.as_ref();
        let ropes = ropes.map(|ropes| [&ropes.full_attention, &ropes.sliding_attention]);
        match ropes.into_iter().flatten().flatten().find(|rope| rope.rope_type != "default") {
            Some(rope) => Err(format!("rope_type {:?} is not known", rope.rope_type)),
            None => Ok(()),
        }
    }

    fn pooling(&self) -> Result<Pooling, String> {
        match self.classifier_pooling.as_str() {
            "cls" => Ok(Pooling::First),
            "mean" => Ok(Pooling::Mean),
            other => Err(format!("classifier_pooling {other:?} is not known")),
        }
    }

    /// Whether this layer looks only at its neighbourhood.
    fn is_local(&self, number: usize) -> bool {
        match &self.layer_types {
            Some(types) => types[number] == "sliding_attention",
            None => !number.is_multiple_of(self.global_attn_every_n_layers.max(1)),
        }
    }

    fn theta(&self, local: bool, has_local_theta: bool) -> f64 {
        let ropes = self.rope_parameters.as_ref();
        let named = ropes.and_then(|ropes| match local {
            true => ropes.sliding_attention.as_ref(),
            false => ropes.full_attention.as_ref(),
        });
        match named {
            Some(rope) => rope.rope_theta,
            None if !local => self.global_rope_theta,
            None if has_local_theta => self.local_rope_theta.unwrap_or(self.global_rope_theta),
            None => local_theta(),
        }
    }

    fn layer(
        &self,
        number: usize,
        activation: Activation,
        has_local_theta: bool,
        weights: &Weights<'_>,
    ) -> Result<Layer, LoadError> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let place = format!("model.layers.{number}");
        let map = |name: &str, out, input, stored| {
            weights.map(&format!("{place}.{name}"), out, input, bias(stored))
        };
        let norm = |name: &str| {
            let name = format!("{place}.{name}");
            weights.norm(&name, hidden, self.norm_eps, bias(self.norm_bias))
        };
        let qkv = map("attn.Wqkv", 3 * hidden, hidden, self.attention_bias)?;
        let wide = map("mlp.Wi", 2 * inner, hidden, self.mlp_bias)?;
        let local = self.is_local(number);
        Ok(Layer {
            attention: Attention {
                heads: self.num_attention_heads,
                head_size: hidden / self.num_attention_heads,
                query: qkv.part(0..hidden),
                key: qkv.part(hidden..2 * hidden),
                value: qkv.part(2 * hidden..3 * hidden),
                output: map("attn.Wo", hidden, hidden, self.attention_bias)?,
                relation: Relation::Rotary {
                    base: self.theta(local, has_local_theta),
                    max_tokens: self.max_position_embeddings,
                },
                window: local.then_some(self.local_attention / 2),
            },
            // The embeddings' own norm stands before the first layer.
            attention_norm: if number == 0 { None } else { Some(norm("attn_norm")?) },
            feed_forward: FeedForward {
                gate: Some(wide.part(0..inner)),
                up: wide.part(inner..2 * inner),
                activation,
                down: map("mlp.Wo", hidden, inner, self.mlp_bias)?,
            },
            output_norm: norm("mlp_norm")?,
            order: Order::Before,
        })
    }

    /// Every head begins with the same transform.
    fn heads(&self, sequence: Pooling, activation: Activation) -> HeadNames {
        let transform = || TransformNames {
            dense: "head.dense",
            bias: bias(self.classifier_bias),
            activation,
            norm: Some(NormNames {
                name: "head.norm",
                bias: bias(self.norm_bias),
                eps: self.norm_eps,
            }),
        };
        let parts =
            |pooling| HeadParts { pooling, transform: Some(transform()), output: "classifier" };
        HeadNames {
            sequence: parts(sequence),
            tokens: parts(Pooling::Tokens),
            answer: parts(Pooling::Tokens),
            masked: Some(MaskedParts {
                transform: transform(),
                decoder: "decoder.weight",
                biases: if self.decoder_bias { &["decoder.bias"] } else { &[] },
            }),
            next_sentence: None,
        }
    }
}
