//! What most architectures share: their sizes, BERT's layer, and where a task
//! head's tensors are.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::blocks::{
    Activation, Attention, FeedForward, Layer, LayerNorm, Linear, Numbering, Order, Pooling,
    Relation, Way,
};
use crate::checkpoint::weights::Bias;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// What an encoder needs of config.json.
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
    /// Of the embedding block, where it is not the layers'. Only some
    /// architectures know the field.
    #[serde(skip)]
    pub embedding_size: Option<usize>,
    pub pad_token_id: Option<u32>,
}

/// transformers' for BERT, as for most others.
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

/// An architecture's own fields of config.json.
pub fn read<T: DeserializeOwned>(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
) -> Result<T, LoadError> {
    read_over(json!({}), config, checkpoint)
}

/// The same, with an object of defaults. A field that is null is as good as
/// missing.
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

/// The activation called `name` in config.json's `field`.
pub fn activation(
    field: &str,
    name: &str,
    checkpoint: &Checkpoint,
) -> Result<Activation, LoadError> {
    Activation::from_name(name)
        .ok_or_else(|| checkpoint.error(CONFIG, format!("{field} {name:?} is not known")))
}

/// Numbers that no tensor's shape bounds everywhere: what a file says must not
/// take memory without end.
pub fn check_bounds(layers: usize, positions: usize) -> Result<(), String> {
    for (name, number, most) in
        [("num_hidden_layers", layers, 1_024), ("max_position_embeddings", positions, 1 << 17)]
    {
        if !(1..=most).contains(&number) {
            return Err(format!("{name} is {number}; it must be from 1 to {most}"));
        }
    }
    Ok(())
}

impl Sizes {
    /// BERT's where config.json leaves a field out.
    pub fn read(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        Self::read_over(json!({}), config, checkpoint)
    }

    /// The same, but for an architecture's `own` defaults.
    pub fn read_over(
        own: Value,
        config: &ModelConfig,
        checkpoint: &Checkpoint,
    ) -> Result<Self, LoadError> {
        let sizes: Self = read_over(own, config, checkpoint)?;
        sizes.check().map_err(|reason| checkpoint.error(CONFIG, reason))?;
        Ok(sizes)
    }

    /// Sizes that no tensor's shape would catch.
    pub fn check(&self) -> Result<(), String> {
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            return Err(format!("hidden_size {hidden} is no multiple of {heads} attention heads"));
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

    /// RoBERTa's numbering, with 1 as the padding's id where the file has none.
    pub fn after_padding(&self) -> Numbering {
        Numbering::AfterPadding(self.pad_token_id.unwrap_or(1))
    }

    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// The names of a layer's parts below its own.
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

/// BERT's own.
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

/// A layer whose norms stand after its sums, at `place` in the checkpoint.
pub fn layer(
    sizes: &Sizes,
    activation: Activation,
    names: &LayerNames,
    weights: &Weights<'_>,
    place: &str,
) -> Result<Layer, LoadError> {
    let (hidden, inner) = (sizes.hidden_size, sizes.intermediate_size);
    let linear = |name: &str, out: usize, input: usize| -> Result<Linear, LoadError> {
        weights.linear(&format!("{place}.{name}"), out, input)
    };
    let norm = |name: &str| -> Result<LayerNorm, LoadError> {
        weights.layer_norm(&format!("{place}.{name}"), hidden, sizes.layer_norm_eps)
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

/// Where an architecture keeps the tensors of each task's head.
#[derive(Debug, Clone)]
pub struct HeadNames {
    pub sequence: HeadParts,
    pub tokens: HeadParts,
    pub answer: HeadParts,
    pub masked: Option<MaskedParts>,
    pub next_sentence: Option<HeadParts>,
}

/// A head that ends in a linear map to one output a label.
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

/// A head that gives one output for each piece of the vocabulary, by the word
/// embeddings themselves unless the checkpoint says otherwise.
#[derive(Debug, Clone)]
pub struct MaskedParts {
    pub transform: TransformNames,
    /// The map's own weight, where it is not the word embeddings'.
    pub decoder: &'static str,
    /// Its bias, by the names that it may have.
    pub biases: &'static [&'static str],
}

impl TransformNames {
    /// Without a norm.
    pub fn plain(dense: &'static str, activation: Activation) -> Self {
        Self { dense, bias: Bias::Stored, activation, norm: None }
    }

    /// With a norm that has a bias.
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
    /// The first token's state, transformed.
    pub fn first(transform: TransformNames, output: &'static str) -> Self {
        Self { pooling: Pooling::by(Way::First), transform: Some(transform), output }
    }

    /// Every token's state as it is.
    pub fn tokens(output: &'static str) -> Self {
        Self { pooling: Pooling::Tokens, transform: None, output }
    }
}
