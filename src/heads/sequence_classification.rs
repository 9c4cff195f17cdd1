//! BERT's sequence classifier: the first token's hidden state through the
//! pooler (dense, tanh) and a linear map to one logit a label.

use super::Head;
use super::activation::OutputActivation;
use crate::blocks::{Activation, Classifier};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, Weights};

pub fn build(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    weights: &Weights<'_>,
    hidden_size: usize,
) -> Result<Head, LoadError> {
    let dense = weights.linear("bert.pooler.dense", hidden_size, hidden_size)?;
    let output = weights.linear_of_any_size("classifier", hidden_size)?;
    let labels = config.labels(output.out).map_err(|reason| checkpoint.error(CONFIG, reason))?;
    let activation = OutputActivation::of(config.problem_type.as_deref(), output.out);
    let classifier = Classifier { dense, activation: Activation::Tanh, output };
    Ok(Head { classifier, labels, activation })
}
