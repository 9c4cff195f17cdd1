//! Scalars that are explained.

use std::borrow::Cow;
use std::sync::Arc;

use super::{dot, norm};

/// Which outputs a scalar is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Logit,
    Probability,
}

/// The scalar that is explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A weighted sum of outputs. A label is one term of weight 1, a contrast is two terms of
    /// weights 1 and -1.
    Sum { output: Output, terms: Vec<(usize, f64)> },
    /// The output with the highest logit, which the pass determines. Of a head with pooling.
    Highest(Output),
    /// The cosine similarity of the outputs and this vector.
    Cosine(Arc<[f64]>),
}

impl Scalar {
    /// A single output.
    pub fn one(output: Output, index: usize) -> Self {
        Self::Sum { output, terms: vec![(index, 1.)] }
    }

    /// Returns the scalar that this is for a row with these logits.
    pub fn bound(&self, logits: &[f64]) -> Cow<'_, Self> {
        match self {
            Self::Highest(output) => Cow::Owned(Self::one(*output, highest(logits))),
            Self::Sum { .. } | Self::Cosine(_) => Cow::Borrowed(self),
        }
    }

    /// Returns the scalar's value for one row's logits and probabilities.
    pub fn value(&self, logits: &[f64], probabilities: &[f64]) -> f64 {
        match self {
            Self::Highest(_) => self.bound(logits).value(logits, probabilities),
            Self::Sum { output, terms } => {
                let outputs = match output {
                    Output::Logit => logits,
                    Output::Probability => probabilities,
                };
                terms.iter().map(|&(index, weight)| weight * outputs[index]).sum()
            }
            Self::Cosine(other) => dot(logits, other) / (norm(logits) * norm(other)),
        }
    }
}

/// Returns the index of the maximum, the first of equal ones.
pub fn highest(values: &[f64]) -> usize {
    let better = |best: usize, i: usize| if values[i] > values[best] { i } else { best };
    (0..values.len()).fold(0, better)
}
