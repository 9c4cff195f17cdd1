//! BERT (Devlin et al. 2019), as transformers' `BertModel` names its tensors.

use serde::Deserialize;
use serde_json::Value;

use super::Built;
use crate::blocks::{Activation, Embeddings, Encoder, Layer};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

/// What the encoder needs of config.json, with transformers' defaults where
/// files leave a field out.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "tiny")]
    layer_norm_eps: f64,
}

fn two() -> usize {
    2
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn tiny() -> f64 {
    1e-12
}

/// Describes the encoder below the prefix `bert.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let (config, activation) =
        parse(Value::Object(config.rest.clone())).map_err(|e| checkpoint.error(CONFIG, e))?;
    let layers = (0..config.num_hidden_layers)
        .map(|number| layer(&config, activation, weights, number))
        .collect::<Result<_, _>>()?;
    Ok(Built {
        encoder: Encoder { embeddings: embeddings(&config, weights)?, layers },
        hidden_size: config.hidden_size,
        max_positions: config.max_position_embeddings,
        vocab_size: config.vocab_size,
        type_vocab_size: config.type_vocab_size,
    })
}

fn parse(file: Value) -> Result<(Config, Activation), String> {
    let config: Config = serde_json::from_value(file).map_err(|error| error.to_string())?;
    let activation = Activation::from_name(&config.hidden_act)
        .ok_or_else(|| format!("hidden_act {:?} is not known", config.hidden_act))?;
    check(&config)?;
    Ok((config, activation))
}

/// Sizes that no tensor's shape would catch.
fn check(config: &Config) -> Result<(), String> {
    let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
    if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
        return Err(format!("hidden_size {hidden} is not a multiple of {heads} attention heads"));
    }
    if config.num_hidden_layers == 0 {
        return Err("num_hidden_layers is 0".to_owned());
    }
    if config.intermediate_size == 0 {
        return Err("intermediate_size is 0".to_owned());
    }
    Ok(())
}

fn embeddings(config: &Config, weights: &Weights<'_>) -> Result<Embeddings, LoadError> {
    let hidden = config.hidden_size;
    let table = |name: &str, rows: usize| {
        weights.tensor(&format!("bert.embeddings.{name}.weight"), &[rows, hidden])
    };
    Ok(Embeddings {
        word: table("word_embeddings", config.vocab_size)?,
        position: table("position_embeddings", config.max_position_embeddings)?,
        token_type: table("token_type_embeddings", config.type_vocab_size)?,
        hidden,
        norm: weights.layer_norm("bert.embeddings.LayerNorm", hidden, config.layer_norm_eps)?,
    })
}

fn layer(
    config: &Config,
    activation: Activation,
    weights: &Weights<'_>,
    number: usize,
) -> Result<Layer, LoadError> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let heads = config.num_attention_heads;
    let linear = |name: &str, out: usize, input: usize| {
        weights.linear(&format!("bert.encoder.layer.{number}.{name}"), out, input)
    };
    let norm = |name: &str| {
        let name = format!("bert.encoder.layer.{number}.{name}");
        weights.layer_norm(&name, hidden, config.layer_norm_eps)
    };
    Ok(Layer {
        heads,
        head_size: hidden / heads,
        query: linear("attention.self.query", hidden, hidden)?,
        key: linear("attention.self.key", hidden, hidden)?,
        value: linear("attention.self.value", hidden, hidden)?,
        attention_output: linear("attention.output.dense", hidden, hidden)?,
        attention_norm: norm("attention.output.LayerNorm")?,
        up: linear("intermediate.dense", inner, hidden)?,
        activation,
        down: linear("output.dense", hidden, inner)?,
        output_norm: norm("output.LayerNorm")?,
    })
}
