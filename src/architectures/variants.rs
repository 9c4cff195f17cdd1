//! Unsupported variants of known architectures, which would change a model's outputs.

use serde_json::Value;

use crate::checkpoint::ModelConfig;

/// Architectures whose transformers classes read the fields below; the others ignore them.
const READERS: [&str; 6] = ["albert", "bert", "camembert", "electra", "roberta", "xlm-roberta"];

/// Refuses decoders and relative positions.
pub fn check(config: &ModelConfig) -> Result<(), String> {
    if !READERS.contains(&config.model_type.as_str()) {
        return Ok(());
    }
    let field = |name: &str| config.rest.get(name).filter(|value| !value.is_null());
    for name in ["is_decoder", "add_cross_attention"] {
        if field(name) == Some(&Value::Bool(true)) {
            return Err(format!("{name} is true, which makes a decoder; explaind runs encoders"));
        }
    }
    match field("position_embedding_type") {
        Some(kind) if kind != "absolute" => {
            Err(format!("position_embedding_type {kind} is not supported, only \"absolute\""))
        }
        _ => Ok(()),
    }
}
