//! BERT (Devlin et al. 2019), as transformers' `BertModel` names its tensors.

use candle_transformers::models::bert::Config;
use serde_json::{Map, Value, json};

use super::Built;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};
use crate::encoder::{Embeddings, Encoder, TransformerLayer};
use crate::kernels::{Activation, Attention};

/// Reads the encoder below the prefix `bert.`.
pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
) -> Result<Built, LoadError> {
    let (config, activation) =
        parse(&config.rest).map_err(|reason| checkpoint.error(CONFIG, reason))?;
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

/// candle's configuration type wants every field and knows few activations:
/// fill in what only training needs, and read the activation by its own name.
fn parse(file: &Map<String, Value>) -> Result<(Config, Activation), String> {
    let mut fields = file.clone();
    let name = fields.get("hidden_act").and_then(Value::as_str).unwrap_or("gelu").to_owned();
    let activation =
        Activation::from_name(&name).ok_or_else(|| format!("hidden_act {name:?} is not known"))?;
    fields.insert("hidden_act".to_owned(), json!("gelu"));
    let defaults = [
        ("hidden_dropout_prob", json!(0.1)),
        ("initializer_range", json!(0.02)),
        ("layer_norm_eps", json!(1e-12)),
        ("type_vocab_size", json!(2)),
        ("pad_token_id", json!(0)),
    ];
    for (field, default) in defaults {
        fields.entry(field).or_insert(default);
    }
    let config: Config =
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
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
        norm: weights.layer_norm("bert.embeddings.LayerNorm", hidden, config.layer_norm_eps)?,
    })
}

fn layer(
    config: &Config,
    activation: Activation,
    weights: &Weights<'_>,
    number: usize,
) -> Result<TransformerLayer, LoadError> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let heads = config.num_attention_heads;
    let linear = |name: &str, out: usize, input: usize| {
        weights.linear(&format!("bert.encoder.layer.{number}.{name}"), out, input)
    };
    let norm = |name: &str| {
        let name = format!("bert.encoder.layer.{number}.{name}");
        weights.layer_norm(&name, hidden, config.layer_norm_eps)
    };
    let qkv = [
        linear("attention.self.query", hidden, hidden)?,
        linear("attention.self.key", hidden, hidden)?,
        linear("attention.self.value", hidden, hidden)?,
    ];
    Ok(TransformerLayer {
        attention: Attention { heads, head_size: hidden / heads },
        qkv: weights.fused(&qkv)?,
        attention_output: linear("attention.output.dense", hidden, hidden)?,
        attention_norm: norm("attention.output.LayerNorm")?,
        up: linear("intermediate.dense", inner, hidden)?,
        activation,
        down: linear("output.dense", hidden, inner)?,
        output_norm: norm("output.LayerNorm")?,
    })
}
