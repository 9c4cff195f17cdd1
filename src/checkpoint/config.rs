//! The part of config.json that every architecture shares.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{CONFIG, Checkpoint, LoadError};

/// What a checkpoint says of itself.
#[derive(Debug, Deserialize)]
pub struct ModelConfig {
    pub model_type: String,
    /// The class names of transformers; the first one names the task head.
    #[serde(default)]
    pub architectures: Vec<String>,
    #[serde(default)]
    id2label: Option<BTreeMap<String, String>>,
    /// Of a classifier: single label, several labels, or regression.
    #[serde(default)]
    pub problem_type: Option<String>,
    /// The whole file, for the architecture's own fields.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

impl ModelConfig {
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        serde_json::from_slice(checkpoint.required(CONFIG)?)
            .map_err(|error| checkpoint.error(CONFIG, error))
    }

    /// The labels of a classifier with `count` outputs: `id2label` in the order
    /// of its ids, or `LABEL_0`, `LABEL_1`, … where the file names none.
    pub fn labels(&self, count: usize) -> Result<Vec<String>, String> {
        let Some(names) = &self.id2label else {
            return Ok((0..count).map(|index| format!("LABEL_{index}")).collect());
        };
        if names.len() != count {
            return Err(format!("id2label names {} labels, the head has {count}", names.len()));
        }
        (0..count)
            .map(|index| {
                names
                    .get(&index.to_string())
                    .cloned()
                    .ok_or_else(|| format!("id2label has no label {index}"))
            })
            .collect()
    }
}
