//! Loads a model in two steps, so that its memory is known before it is allocated: first
//! everything except the weights.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tracing::debug;

use super::memory::{self, Room};
use super::running::load;
use super::{Loaded, Model, Placement};
use crate::architectures;
use crate::blocks;
use crate::checkpoint::{
    Allowed, CONFIG, Cancellation, Checkpoint, LoadError, ModelConfig, Source, Weights,
};
use crate::heads::activation::OutputActivation;
use crate::heads::{self, Head, HeadContext, Labels, Task};
use crate::pace::Pace;
use crate::script::Script;
use crate::text::TextEncoder;

/// A checkpoint that was read and checked, and whose weights are not loaded yet.
pub struct ModelDescription {
    checkpoint: Checkpoint,
    architecture: &'static str,
    task: Task,
    script: Option<Script>,
    text: TextEncoder,
    encoder: blocks::Encoder,
    head: Head,
    entailment: Option<usize>,
}

impl ModelDescription {
    /// Reads and checks `source`. `activation` overrides config.json. Reads only files that are
    /// `allowed`.
    pub fn read(
        source: &Source,
        activation: Option<OutputActivation>,
        allowed: &Allowed,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::read_allowed(source, allowed, cancellation)?;
        let config = ModelConfig::read(&checkpoint)?;
        let architecture = architectures::find(&config, &checkpoint)?;
        let head_kind = heads::find(&config, &checkpoint)?;
        let weights = Weights::read(&checkpoint)?;
        let built = (architecture.build)(&config, &checkpoint, &weights)?;
        let text = TextEncoder::read(&checkpoint, &built)?;
        let context = HeadContext {
            config: &config,
            checkpoint: &checkpoint,
            weights: &weights,
            built: &built,
            prompt_tokens: text.prompt_tokens(),
        };
        let mut head = (head_kind.build)(&context)?;
        if let Some(activation) = activation {
            let check = check_activation(activation, head_kind.task, &head.labels);
            check.map_err(|reason| checkpoint.error(CONFIG, reason))?;
            head.activation = activation;
        }
        for name in weights.unused() {
            debug!(%source, tensor = name, "unused tensor");
        }
        let entailment = match (head_kind.task, &head.labels) {
            (Task::TextClassification, Labels::Named(names)) => config.entailment(names),
            _ => None,
        };
        Ok(Self {
            architecture: architecture.model_type,
            task: head_kind.task,
            script: source.script(),
            text,
            encoder: built.encoder,
            head,
            entailment,
            checkpoint,
        })
    }

    /// Returns the digest of the files, all of which it reads.
    pub fn revision(&self) -> Result<String, LoadError> {
        self.checkpoint.revision()
    }

    /// Returns the bytes that the weights will take.
    pub fn memory_bytes(&self, placement: &Placement) -> usize {
        memory::of(&self.encoder, &self.head.block, placement)
    }

    /// Loads the weights. The model holds `room` until it is dropped.
    pub fn load(self, id: &str, placement: &Placement, room: Room) -> Result<Model, LoadError> {
        let (revision, runner) = rayon::join(
            || self.checkpoint.revision(),
            || load(placement, &self.encoder, &self.head, &self.checkpoint),
        );
        let loaded = Loaded {
            revision: revision?,
            on_disk: self.checkpoint.on_disk()?,
            architecture: self.architecture,
            task: self.task,
            script: self.script,
            text: self.text,
            placement: placement.clone(),
            encoder: self.encoder,
            head: self.head,
            entailment: self.entailment,
            runner: runner?,
            remote: None,
            pace: Pace::new(0.9),
            most_tokens: AtomicUsize::new(usize::MAX),
            room,
        };
        Ok(Model { id: id.to_owned(), loaded: Arc::new(loaded) })
    }
}

/// Checks that a task's outputs can use another activation.
fn check_activation(
    activation: OutputActivation,
    task: Task,
    labels: &Labels,
) -> Result<(), String> {
    let name = activation.name();
    match (task, labels) {
        (Task::TextClassification | Task::TokenClassification, Labels::Named(names)) => {
            match (activation, names.len()) {
                (OutputActivation::Softmax, 1) => {
                    Err("activation softmax over one label is always 1; use sigmoid or none"
                        .to_owned())
                }
                _ => Ok(()),
            }
        }
        _ => Err(format!(
            "activation {name} cannot be chosen: the task is {}, which has its own; leave it out",
            task.name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsuitable_activations_are_refused() {
        let named = |count| Labels::Named(vec![String::new(); count]);
        let check = check_activation;
        assert!(check(OutputActivation::Sigmoid, Task::TextClassification, &named(2)).is_ok());
        assert!(check(OutputActivation::Softmax, Task::TokenClassification, &named(2)).is_ok());
        assert!(check(OutputActivation::Softmax, Task::TextClassification, &named(1)).is_err());
        assert!(check(OutputActivation::None, Task::QuestionAnswering, &named(2)).is_err());
        let dimensions = Labels::Dimensions(3);
        assert!(check(OutputActivation::Softmax, Task::Embedding, &dimensions).is_err());
    }
}
