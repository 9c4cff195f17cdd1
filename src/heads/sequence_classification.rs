//! BERT's sequence classifier: the first token's hidden state through the
//! pooler (dense, tanh) and a linear map to one logit a label.

use candle_core::Tensor;

use super::activation::OutputActivation;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};
use crate::kernels::{Activation, Linear};

#[derive(Debug)]
pub struct SequenceClassification {
    pooler: Linear,
    classifier: Linear,
    pub labels: Vec<String>,
    pub activation: OutputActivation,
}

/// What the forward pass leaves for the gradient.
#[derive(Debug)]
pub struct Pooled {
    /// Before the tanh, `[rows, hidden]`.
    dense: Tensor,
}

impl SequenceClassification {
    pub fn build(
        config: &ModelConfig,
        checkpoint: &Checkpoint,
        weights: &Weights<'_>,
        hidden_size: usize,
    ) -> Result<Self, LoadError> {
        let pooler = weights.linear("bert.pooler.dense", hidden_size, hidden_size)?;
        let (classifier, count) = weights.linear_of_any_size("classifier", hidden_size)?;
        let labels = config.labels(count).map_err(|reason| checkpoint.error(CONFIG, reason))?;
        let activation = OutputActivation::of(config.problem_type.as_deref(), count);
        Ok(Self { pooler, classifier, labels, activation })
    }

    /// The first token's hidden states, `[rows, hidden]`, to logits
    /// `[rows, labels]`.
    pub fn forward(&self, first: &Tensor) -> candle_core::Result<(Tensor, Pooled)> {
        let dense = self.pooler.forward(first)?;
        let logits = self.classifier.forward(&Activation::Tanh.forward(&dense)?)?;
        Ok((logits, Pooled { dense }))
    }

    /// Gradient at the logits `[rows, labels]` → at the first token's hidden
    /// states `[rows, hidden]`.
    pub fn vjp(&self, saved: &Pooled, grad: &Tensor) -> candle_core::Result<Tensor> {
        let pooled = self.classifier.vjp(grad)?;
        self.pooler.vjp(&Activation::Tanh.vjp(&saved.dense, &pooled)?)
    }
}
