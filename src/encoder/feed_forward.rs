//! The feed-forward block of a layer, with loaded weights.

use super::loader::Loader;
use crate::backend::Backend;
use crate::blocks::{self, Activation};
use crate::checkpoint::LoadError;

/// A [`blocks::FeedForward`] on a back end.
pub struct FeedForward<B: Backend> {
    gate: Option<B::Linear>,
    up: B::Linear,
    activation: Activation,
    down: B::Linear,
}

/// What a forward pass saves for the gradient.
pub enum Saved<B: Backend> {
    Plain {
        slope: B::Array,
    },
    /// For `act(gate) · up`: the activation's derivative and both factors.
    Gated {
        slope: B::Array,
        active: B::Array,
        up: B::Array,
    },
}

impl<B: Backend> FeedForward<B> {
    pub fn load(block: &blocks::FeedForward, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        Ok(Self {
            gate: block.gate.as_ref().map(|gate| loader.layer_linear(gate)).transpose()?,
            up: loader.layer_linear(&block.up)?,
            activation: block.activation,
            down: loader.layer_linear(&block.down)?,
        })
    }

    /// Returns the block's output plus `onto`, and what the gradient of the first `slopes` rows needs.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Array,
        onto: &B::Array,
        slopes: usize,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let Some(gate) = &self.gate else {
            let (active, slope) = b.linear_activated(&self.up, self.activation, x, slopes)?;
            return Ok((b.linear(&self.down, &active, Some(onto))?, Saved::Plain { slope }));
        };
        let (active, slope) = b.linear_activated(gate, self.activation, x, slopes)?;
        let up = b.linear(&self.up, x, None)?;
        let y = b.linear(&self.down, &b.mul(&active, &up)?, Some(onto))?;
        Ok((y, Saved::Gated { slope, active, up }))
    }

    /// Gradient at the output → at the input, plus `onto`.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        grad: &B::Array,
        onto: Option<&B::Array>,
    ) -> Result<B::Array, B::Error> {
        match (saved, &self.gate) {
            (Saved::Gated { slope, active, up }, Some(gate)) => {
                let product = b.linear_vjp(&self.down, grad, None)?;
                let gate_grad = b.mul(&b.mul(&product, up)?, slope)?;
                let up_grad = b.mul(&product, active)?;
                let x = b.linear_vjp(gate, &gate_grad, onto)?;
                b.linear_vjp(&self.up, &up_grad, Some(&x))
            }
            (Saved::Plain { slope } | Saved::Gated { slope, .. }, _) => {
                let up = b.linear_vjp_activated(&self.down, slope, grad)?;
                b.linear_vjp(&self.up, &up, onto)
            }
        }
    }
}
