//! One file a task head: from the last hidden state to logits, and the gradient
//! back. A new one is a file and an entry of [`HEADS`].

pub mod activation;
pub mod sequence_classification;

use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};
use sequence_classification::SequenceClassification;

/// An entry of [`HEADS`].
pub struct HeadKind {
    /// How the class name in config.json's `architectures` ends.
    pub class_suffix: &'static str,
    /// The task by the name of transformers' pipelines.
    pub task: &'static str,
    pub build: fn(
        &ModelConfig,
        &Checkpoint,
        &Weights<'_>,
        hidden_size: usize,
    ) -> Result<SequenceClassification, LoadError>,
}

pub static HEADS: &[HeadKind] = &[HeadKind {
    class_suffix: "ForSequenceClassification",
    task: "text-classification",
    build: SequenceClassification::build,
}];

/// The head that `config` names.
pub fn find(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<&'static HeadKind, LoadError> {
    let class = config.architectures.first().map_or("", String::as_str);
    HEADS.iter().find(|entry| class.ends_with(entry.class_suffix)).ok_or_else(|| {
        let known: Vec<&str> = HEADS.iter().map(|entry| entry.class_suffix).collect();
        let reason = format!(
            "architectures names {class:?}; explaind runs classes that end with {}",
            known.join(", ")
        );
        checkpoint.error(CONFIG, reason)
    })
}
