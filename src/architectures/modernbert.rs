//! ModernBERT (Warner et al. 2024): pre-norm layers, rotary position embeddings, a gated
//! feed-forward, and local attention in most layers.

use std::sync::Arc;

use serde::Deserialize;

use super::Built;
use super::common::{
    HeadNames, HeadParts, MaskedParts, NormNames, TransformNames, activation, check_bounds, read,
};
use crate::blocks::{
    Activation, Angles, Attention, Embeddings, Encoder, FeedForward, Layer, Numbering, Order,
    Pooling, PoolingMode, Relation,
};
use crate::checkpoint::weights::Bias;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// ModernBERT's fields of config.json.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_activation: String,
    norm_eps: f64,
    norm_bias: bool,
    attention_bias: bool,
    mlp_bias: bool,
    global_attn_every_n_layers: usize,
    layer_types: Option<Vec<String>>,
    local_attention: usize,
    global_rope_theta: f64,
    local_rope_theta: Option<f64>,
    rope_parameters: Ropes,
    rope_scaling: Rope,
    classifier_pooling: String,
    classifier_activation: String,
    classifier_bias: bool,
    decoder_bias: bool,
}

/// The defaults of transformers.
impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 50368,
            hidden_size: 768,
            intermediate_size: 1152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            max_position_embeddings: 8192,
            hidden_activation: "gelu".to_owned(),
            norm_eps: 1e-5,
            norm_bias: false,
            attention_bias: false,
            mlp_bias: false,
            global_attn_every_n_layers: 3,
            layer_types: None,
            local_attention: 128,
            global_rope_theta: 160_000.,
            local_rope_theta: None,
            rope_parameters: Ropes::default(),
            rope_scaling: Rope::default(),
            classifier_pooling: "cls".to_owned(),
            classifier_activation: "gelu".to_owned(),
            classifier_bias: false,
            decoder_bias: true,
        }
    }
}

/// The rotary parameters per layer type, as transformers 5 writes them.
#[derive(Default, Deserialize)]
struct Ropes {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Default, Deserialize)]
struct Rope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older name of `rope_type`.
    r#type: Option<String>,
}

impl Rope {
    /// Returns the scaling of positions, if there is one.
    fn scaling(&self) -> Option<&str> {
        let rope_type = self.rope_type.as_deref().or(self.r#type.as_deref());
        rope_type.filter(|name| *name != "default")
    }
}

/// Theta of local layers if config.json lacks the field. If it is null, the global theta applies.
const LOCAL_THETA: f64 = 10_000.;

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

const fn bias(stored: bool) -> Bias {
    if stored { Bias::Stored } else { Bias::None }
}

/// Builds the description of the encoder with prefix `model.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let has_local_theta = config.rest.contains_key("local_rope_theta");
    let config: Config = read(config, checkpoint)?;
    let invalid = |reason: String| checkpoint.error(CONFIG, reason);
    let sequence = config.pooling().map_err(invalid)?;
    config.check().map_err(invalid)?;
    let act = activation("hidden_activation", &config.hidden_activation, checkpoint)?;
    let head_act = activation("classifier_activation", &config.classifier_activation, checkpoint)?;
    let norm = |name: &str| {
        let (size, bias) = (config.hidden_size, bias(config.norm_bias));
        weights.norm(name, size, config.norm_eps, bias)
    };
    // Read before allocating the angles: the file must contain a norm of this width.
    let embeddings_norm = norm("model.embeddings.norm")?;
    let size = config.hidden_size / config.num_attention_heads;
    let angles = [false, true].map(|local| {
        let theta = config.theta(local, has_local_theta);
        Arc::new(Angles::new(theta, size, config.max_position_embeddings))
    });
    let word = "model.embeddings.tok_embeddings.weight";
    let layers =
        (0..config.num_hidden_layers).map(|number| config.layer(number, act, &angles, weights));
    let encoder = Encoder {
        embeddings: Embeddings {
            word: weights.tensor(word, &[config.vocab_size, config.hidden_size])?,
            position: None,
            token_type: None,
            numbering: Numbering::FromZero,
            width: config.hidden_size,
            norm: embeddings_norm,
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
            return Err(format!(
                "hidden_size {hidden} cannot be split into {heads} even-sized heads"
            ));
        }
        if self.intermediate_size == 0 {
            return Err("intermediate_size is 0".to_owned());
        }
        check_bounds(self.num_hidden_layers, self.max_position_embeddings)?;
        if let Some(types) = &self.layer_types {
            if types.len() != self.num_hidden_layers {
                return Err("layer_types must name every layer".to_owned());
            }
            if let Some(other) = types.iter().find(|name| ![FULL, SLIDING].contains(&&***name)) {
                return Err(format!("layer_types: {other:?} is not known"));
            }
        }
        let ropes = [&self.rope_parameters.full_attention, &self.rope_parameters.sliding_attention];
        let mut ropes = ropes.into_iter().flatten().chain([&self.rope_scaling]);
        match ropes.find_map(Rope::scaling) {
            Some(name) => Err(format!("rope_type {name:?}: scaled positions are not supported")),
            None => Ok(()),
        }
    }

    fn pooling(&self) -> Result<Pooling, String> {
        match self.classifier_pooling.as_str() {
            "cls" => Ok(Pooling::by(PoolingMode::First)),
            "mean" => Ok(Pooling::by(PoolingMode::Mean)),
            other => Err(format!("classifier_pooling {other:?} is not known")),
        }
    }

    /// Whether a layer uses local attention.
    fn is_local(&self, index: usize) -> bool {
        match &self.layer_types {
            Some(types) => types[index] == SLIDING,
            None => !index.is_multiple_of(self.global_attn_every_n_layers.max(1)),
        }
    }

    fn theta(&self, local: bool, has_local_theta: bool) -> f64 {
        let rope = match local {
            true => &self.rope_parameters.sliding_attention,
            false => &self.rope_parameters.full_attention,
        };
        match rope.as_ref().and_then(|rope| rope.rope_theta) {
            Some(theta) => theta,
            None if !local => self.global_rope_theta,
            None if has_local_theta => self.local_rope_theta.unwrap_or(self.global_rope_theta),
            None => LOCAL_THETA,
        }
    }

    fn layer(
        &self,
        number: usize,
        activation: Activation,
        [angles, local_angles]: &[Arc<Angles>; 2],
        weights: &Weights<'_>,
    ) -> Result<Layer, LoadError> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let prefix = format!("model.layers.{number}");
        let map = |name: &str, out, input, stored| {
            weights.map(&format!("{prefix}.{name}"), out, input, bias(stored))
        };
        let norm = |name: &str| {
            let name = format!("{prefix}.{name}");
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
                relation: Relation::Rotary(Arc::clone(if local { local_angles } else { angles })),
                window: local.then_some(self.local_attention / 2),
            },
            // The first layer's input is already normalised by the embedding block.
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

    /// Returns the heads, which all start with the same transform.
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
