//! The convolution beside the first layer of the largest DeBERTa v2, with its
//! weights in place.

use std::ops::Range;

use super::place::Place;
use crate::backend::Backend;
use crate::blocks;
use crate::checkpoint::LoadError;

/// A [`blocks::Convolution`] on a back end.
pub struct Convolution<B: Backend> {
    map: B::Linear,
    size: usize,
    activation: blocks::Activation,
    norm: B::LayerNorm,
}

/// What a forward pass leaves for the gradient.
pub struct Saved<B: Backend> {
    slope: B::Array,
    norm: B::Normalized,
}

impl<B: Backend> Convolution<B> {
    pub fn place(block: &blocks::Convolution, place: &Place<'_, B>) -> Result<Self, LoadError> {
        Ok(Self {
            map: place.linear(&block.map)?,
            size: block.size,
            activation: block.activation,
            norm: place.layer_norm(&block.norm)?,
        })
    }

    /// `norm(y + act(conv(x)))`, x the first layer's input and y its output; each
    /// row's tokens are a range.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Array,
        y: &B::Array,
        rows: &[Range<usize>],
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let unfolded = b.unfold(x, rows, self.size)?;
        let (active, slope) = b.linear_activated(&self.map, self.activation, &unfolded)?;
        let (out, norm) = b.layer_norm(&self.norm, b.plus(y, &active)?)?;
        Ok((out, Saved { slope, norm }))
    }

    /// Gradient at the output → at y, and what x gets past the layer.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        rows: &[Range<usize>],
        grad: &B::Array,
    ) -> Result<(B::Array, B::Array), B::Error> {
        let sum = b.layer_norm_vjp(&self.norm, &saved.norm, grad)?;
        let before = b.times(&sum, &saved.slope)?;
        let unfolded = b.linear_vjp(&self.map, &before, None)?;
        let x = b.unfold_vjp(&unfolded, rows, self.size)?;
        Ok((sum, x))
    }
}
