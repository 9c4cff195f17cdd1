//! What most architectures share: sizes, BERT's layer, and the tensor names of task heads.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::blocks::{
    Activation, Attention, FeedForward, Layer, LayerNorm, Linear, Numbering, Order, Pooling,
    PoolingMode, Relation,
};
use crate::checkpoint::weights::Bias;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// The fields of config.json that describe an encoder.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Sizes {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    /// The embedding size, if it differs from the hidden size. Only some architectures have this
    /// field.
    #[serde(skip)]
    pub embedding_size: Option<usize>,
    pub pad_token_id: Option<u32>,
}

/// The defaults of transformers for BERT and most other architectures.
impl Default for Sizes {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            hidden_act: "gelu".to_owned(),
            layer_norm_eps: 1e-12,
            embedding_size: None,
            pad_token_id: None,
        }
    }
}

/// Reads an architecture's own fields of config.json.
pub fn read<T: DeserializeOwned>(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
) -> Result<T, LoadError> {
    read_over(json!({}), config, checkpoint)
}

/// Like [`read`], over an object of defaults. Null fields count as missing.
fn read_over<T: DeserializeOwned>(
    mut fields: Value,
    config: &ModelConfig,
    checkpoint: &Checkpoint,
) -> Result<T, LoadError> {
    for (name, value) in config.rest.iter().filter(|(_, value)| !value.is_null()) {
        fields[name] = value.clone();
    }
    serde_json::from_value(fields).map_err(|error| checkpoint.error(CONFIG, error))
}

/// Returns the activation called `name` in config.json's `field`.
pub fn activation(
    field: &str,
    name: &str,
    checkpoint: &Checkpoint,
) -> Result<Activation, LoadError> {
    Activation::from_name(name)
        .ok_or_else(|| checkpoint.error(CONFIG, format!("{field} {name:?} is not known")))
}

/// Checks sizes that tensor shapes do not always bound, so that a file cannot request unbounded
/// memory.
pub fn check_bounds(layers: usize, positions: usize) -> Result<(), String> {
    for (name, number, max) in
        [("num_hidden_layers", layers, 1_024), ("max_position_embeddings", positions, 1 << 17)]
    {
        if !(1..=max).contains(&number) {
            return Err(format!("{name} is {number}; it must be from 1 to {max}"));
        }
    }
    Ok(())
}

impl Sizes {
    /// Reads the sizes, with BERT's defaults.
    pub fn read(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        Self::read_over(json!({}), config, checkpoint)
    }

    /// Reads the sizes, with an architecture's `own` defaults.
    pub fn read_over(
        own: Value,
        config: &ModelConfig,
        checkpoint: &Checkpoint,
    ) -> Result<Self, LoadError> {
        let sizes: Self = read_over(own, config, checkpoint)?;
        sizes.check().map_err(|reason| checkpoint.error(CONFIG, reason))?;
        Ok(sizes)
    }

    /// Checks sizes that tensor shapes do not verify.
    pub fn check(&self) -> Result<(), String> {
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            return Err(format!("hidden_size {hidden} is not a multiple of {heads} heads"));
        }
        if self.intermediate_size == 0 {
            return Err("intermediate_size is 0".to_owned());
        }
        check_bounds(self.num_hidden_layers, self.max_position_embeddings)
    }

    pub fn activation(&self, checkpoint: &Checkpoint) -> Result<Activation, LoadError> {
        activation("hidden_act", &self.hidden_act, checkpoint)
    }

    pub fn embedding_size(&self) -> usize {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// Returns RoBERTa's position ids. The padding id defaults to 1.
    pub fn after_padding(&self) -> Numbering {
        Numbering::AfterPadding(self.pad_token_id.unwrap_or(1))
    }

    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// The tensor names within a layer.
pub struct LayerNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub output_norm: &'static str,
}

/// BERT's names.
pub const LAYER: LayerNames = LayerNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

/// Builds a post-norm layer whose tensors have this prefix.
pub fn layer(
    sizes: &Sizes,
    activation: Activation,
    names: &LayerNames,
    weights: &Weights<'_>,
    prefix: &str,
) -> Result<Layer, LoadError> {
    let (hidden, inner) = (sizes.hidden_size, sizes.intermediate_size);
    let linear = |name: &str, out: usize, input: usize| -> Result<Linear, LoadError> {
        weights.linear(&format!("{prefix}.{name}"), out, input)
    };
    let norm = |name: &str| -> Result<LayerNorm, LoadError> {
        weights.layer_norm(&format!("{prefix}.{name}"), hidden, sizes.layer_norm_eps)
    };
    Ok(Layer {
        attention: Attention {
            heads: sizes.num_attention_heads,
            head_size: sizes.head_size(),
            query: linear(names.query, hidden, hidden)?,
            key: linear(names.key, hidden, hidden)?,
            value: linear(names.value, hidden, hidden)?,
            output: linear(names.attention_output, hidden, hidden)?,
            relation: Relation::None,
            window: None,
        },
        attention_norm: Some(norm(names.attention_norm)?),
        feed_forward: FeedForward {
            gate: None,
            up: linear(names.up, inner, hidden)?,
            activation,
            down: linear(names.down, hidden, inner)?,
        },
        output_norm: norm(names.output_norm)?,
        order: Order::After,
    })
}

/// The tensor names of each task's head.
#[derive(Debug, Clone)]
pub struct HeadNames {
    pub sequence: HeadParts,
    pub tokens: HeadParts,
    pub answer: HeadParts,
    pub masked: Option<MaskedParts>,
    pub next_sentence: Option<HeadParts>,
}

/// A head that ends in a linear map to one output per label.
#[derive(Debug, Clone)]
pub struct HeadParts {
    pub pooling: Pooling,
    pub transform: Option<TransformNames>,
    pub output: &'static str,
}

/// `norm(act(dense(x)))`
#[derive(Debug, Clone)]
pub struct TransformNames {
    pub dense: &'static str,
    pub bias: Bias,
    pub activation: Activation,
    pub norm: Option<NormNames>,
}

#[derive(Debug, Clone)]
pub struct NormNames {
    pub name: &'static str,
    pub bias: Bias,
    pub eps: f64,
}

/// A head with one output per vocabulary piece. The output weight is tied to the word embeddings
/// unless config.json unties it.
#[derive(Debug, Clone)]
pub struct MaskedParts {
    pub transform: TransformNames,
    /// The output weight, if it is not tied.
    pub decoder: &'static str,
    /// Possible names of the output bias.
    pub biases: &'static [&'static str],
}

impl TransformNames {
    /// A transform without a norm.
    pub fn plain(dense: &'static str, activation: Activation) -> Self {
        Self { dense, bias: Bias::Stored, activation, norm: None }
    }

    /// A transform with a norm that has a bias.
    pub fn normed(
        dense: &'static str,
        activation: Activation,
        name: &'static str,
        eps: f64,
    ) -> Self {
        let norm = Some(NormNames { name, bias: Bias::Stored, eps });
        Self { norm, ..Self::plain(dense, activation) }
    }
}

impl HeadParts {
    /// Pools the first token's state and transforms it.
    pub fn first(transform: TransformNames, output: &'static str) -> Self {
        Self { pooling: Pooling::by(PoolingMode::First), transform: Some(transform), output }
    }

    /// Uses each token's state as it is.
    pub fn tokens(output: &'static str) -> Self {
        Self { pooling: Pooling::Tokens, transform: None, output }
    }
}
