//! One file a task head: from the last hidden state to logits, and what they
//! mean. A new one is a file and an entry of [`HEADS`].

pub mod activation;
pub mod sequence_classification;

use crate::blocks::Classifier;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};
use activation::OutputActivation;

/// A task head as its file describes it.
#[derive(Debug)]
pub struct Head {
    pub classifier: Classifier,
    /// In the order of the logits.
    pub labels: Vec<String>,
    pub activation: OutputActivation,
}

/// An entry of [`HEADS`].
pub struct HeadKind {
    /// How the class name in config.json's `architectures` ends.
    pub class_suffix: &'static str,
    /// The task by the name of transformers' pipelines.
    pub task: &'static str,
    pub build:
        fn(&ModelConfig, &Checkpoint, &Weights<'_>, hidden_size: usize) -> Result<Head, LoadError>,
}

pub static HEADS: &[HeadKind] = &[HeadKind {
    class_suffix: "ForSequenceClassification",
    task: "text-classification",
    build: sequence_classification::build,
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
