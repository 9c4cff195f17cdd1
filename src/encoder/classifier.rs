//! A classifier head with its weights in place.

use super::place::{Place, PlaceError};
use crate::backend::Backend;
use crate::blocks::{self, Activation};

/// A [`blocks::Classifier`] on a back end.
pub struct Classifier<B: Backend> {
    dense: B::Linear,
    activation: Activation,
    output: B::Linear,
}

impl<B: Backend> Classifier<B> {
    pub fn place(block: &blocks::Classifier, place: &Place<'_, B>) -> Result<Self, PlaceError> {
        Ok(Self {
            dense: place.linear(&block.dense)?,
            activation: block.activation,
            output: place.linear(&block.output)?,
        })
    }

    /// The first token's states `[rows, hidden]` → logits `[rows, labels]`, and
    /// the slope of the activation for the gradient.
    pub fn forward(&self, b: &B, first: &B::Array) -> Result<(B::Array, B::Slope), B::Error> {
        let (dense, slope) = b.linear_activated(&self.dense, self.activation, first)?;
        Ok((b.linear(&self.output, &dense, None)?, slope))
    }

    /// Gradient at the logits → at the first token's states.
    pub fn vjp(&self, b: &B, slope: &B::Slope, grad: &B::Array) -> Result<B::Array, B::Error> {
        let dense = b.linear_vjp_activated(&self.output, slope, grad)?;
        b.linear_vjp(&self.dense, &dense, None)
    }
}
