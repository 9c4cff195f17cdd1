//! A model: encoder, head, tokenizer and labels, as loaded from one checkpoint.

mod pass;

use candle_core::{DType, Device};
use tracing::debug;

use crate::architectures;
use crate::checkpoint::{Checkpoint, LoadError, ModelConfig, Source, Weights};
use crate::encoder::Encoder;
use crate::heads;
use crate::heads::activation::OutputActivation;
use crate::heads::sequence_classification::SequenceClassification;
use crate::script::Script;
use crate::text::TextEncoder;

/// A loaded model with frozen weights.
pub struct Model {
    pub id: String,
    /// Digest of the files that it was loaded from.
    pub revision: String,
    /// config.json's `model_type`.
    pub architecture: &'static str,
    pub task: &'static str,
    /// The writing that a built-in model reads.
    pub script: Option<Script>,
    pub dtype: DType,
    pub device: Device,
    pub text: TextEncoder,
    encoder: Encoder,
    head: SequenceClassification,
}

/// Where the weights live and in which type: f32 serves, f64 tests.
#[derive(Debug, Clone)]
pub struct Placement {
    pub dtype: DType,
    pub device: Device,
}

impl Default for Placement {
    fn default() -> Self {
        Self { dtype: DType::F32, device: Device::Cpu }
    }
}

impl Model {
    /// Reads and checks a checkpoint. Blocks for as long as that takes.
    pub fn load(id: &str, source: &Source, placement: &Placement) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::read(source)?;
        let config = ModelConfig::read(&checkpoint)?;
        let architecture = architectures::find(&config, &checkpoint)?;
        let head_kind = heads::find(&config, &checkpoint)?;
        let weights = Weights::read(&checkpoint, placement.dtype, &placement.device)?;
        let built = (architecture.build)(&config, &checkpoint, &weights)?;
        let head = (head_kind.build)(&config, &checkpoint, &weights, built.hidden_size)?;
        for name in weights.unused() {
            debug!(model = id, tensor = name, "unused tensor");
        }
        Ok(Self {
            id: id.to_owned(),
            revision: checkpoint.revision(),
            architecture: architecture.model_type,
            task: head_kind.task,
            script: source.script(),
            dtype: placement.dtype,
            device: placement.device.clone(),
            text: TextEncoder::read(id, &checkpoint, &built)?,
            encoder: built.encoder,
            head,
        })
    }

    /// The labels in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.head.labels
    }

    pub fn activation(&self) -> OutputActivation {
        self.head.activation
    }

    pub fn layers(&self) -> usize {
        self.encoder.layers.len()
    }

    pub fn heads(&self) -> usize {
        self.encoder.heads()
    }
}
