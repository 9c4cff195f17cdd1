//! The convolution parallel to the first layer of DeBERTa v2 xlarge and xxlarge, with loaded
//! weights.

use std::ops::Range;

use super::loader::Loader;
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

/// What a forward pass saves for the gradient.
pub struct Saved<B: Backend> {
    slope: B::Array,
    norm: B::Normalized,
}

impl<B: Backend> Convolution<B> {
    pub fn load(block: &blocks::Convolution, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        Ok(Self {
            map: loader.linear(&block.map)?,
            size: block.size,
            activation: block.activation,
            norm: loader.layer_norm(&block.norm)?,
        })
    }

    /// Returns `norm(y + act(conv(x)))`, where x is the first layer's input and y its output.
    /// `rows` are the token ranges of the rows.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Array,
        y: &B::Array,
        rows: &[Range<usize>],
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let unfolded = b.unfold(x, rows, self.size)?;
        let (active, slope) =
            b.linear_activated(&self.map, self.activation, &unfolded, usize::MAX)?;
        let (out, norm) = b.layer_norm(&self.norm, b.add(y, &active)?)?;
        Ok((out, Saved { slope, norm }))
    }

    /// Gradient at the output → at y, and at x through the convolution.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        rows: &[Range<usize>],
        grad: &B::Array,
    ) -> Result<(B::Array, B::Array), B::Error> {
        let sum = b.layer_norm_vjp(&self.norm, &saved.norm, grad)?;
        let before = b.mul(&sum, &saved.slope)?;
        let unfolded = b.linear_vjp(&self.map, &before, None)?;
        let x = b.unfold_vjp(&unfolded, rows, self.size)?;
        Ok((sum, x))
    }
}
