//! A model on a back end, built from an architecture's description: an embedding block,
//! transformer layers and a head, with frozen weights.
//!
//! The reasons for the design: docs/concepts/compute.md.

mod block_norm;
pub mod convolution;
pub mod feed_forward;
pub mod head;
pub mod layer;
pub mod loader;
mod mixing;
mod norms;

use rayon::prelude::*;

pub use convolution::Convolution;
pub use head::Head;
pub use layer::{Forward, Layer, OutputTokens, Removed};
use loader::Loader;

use crate::backend::Backend;
use crate::blocks;
use crate::checkpoint::LoadError;

/// A [`blocks::Encoder`] on a back end.
pub struct Encoder<B: Backend> {
    pub embeddings: B::Embeddings,
    pub projection: Option<B::Linear>,
    layers: Vec<Layer<B>>,
    sequence: Vec<usize>,
    pub convolution: Option<Convolution<B>>,
    pub final_norm: Option<B::LayerNorm>,
}

impl<B: Backend> Encoder<B> {
    /// Loads the layers in parallel.
    pub fn load(block: &blocks::Encoder, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        let load_layer = |layer| Layer::load(layer, loader);
        let (embeddings, layers) = rayon::join(
            || loader.embeddings(&block.embeddings),
            || block.layers.par_iter().map(load_layer).collect::<Result<_, _>>(),
        );
        let convolution = block.convolution.as_ref();
        Ok(Self {
            convolution: convolution.map(|part| Convolution::load(part, loader)).transpose()?,
            embeddings: embeddings?,
            projection: block.projection.as_ref().map(|map| loader.linear(map)).transpose()?,
            layers: layers?,
            sequence: block.sequence.clone(),
            final_norm: block
                .final_norm
                .as_ref()
                .map(|norm| loader.layer_norm(norm))
                .transpose()?,
        })
    }

    /// Returns the layers in execution order.
    pub fn running(&self) -> impl DoubleEndedIterator<Item = &Layer<B>> + ExactSizeIterator {
        self.sequence.iter().map(|&index| &self.layers[index])
    }
}
