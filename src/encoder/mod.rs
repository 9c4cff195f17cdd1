//! What an architecture describes, put together on a back end: an embedding
//! block, a stack of transformer layers and a head, with frozen weights.

pub mod convolution;
pub mod feed_forward;
pub mod head;
pub mod layer;
mod norms;
pub mod place;

use rayon::prelude::*;

pub use convolution::Convolution;
pub use head::Head;
pub use layer::{Layer, Wanted};
use place::Place;

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
    /// Reads and places the layers side by side.
    pub fn place(block: &blocks::Encoder, place: &Place<'_, B>) -> Result<Self, LoadError> {
        let place_layer = |layer| Layer::place(layer, place);
        let (embeddings, layers) = rayon::join(
            || place.embeddings(&block.embeddings),
            || block.layers.par_iter().map(place_layer).collect::<Result<_, _>>(),
        );
        let convolution = block.convolution.as_ref();
        Ok(Self {
            convolution: convolution.map(|part| Convolution::place(part, place)).transpose()?,
            embeddings: embeddings?,
            projection: block.projection.as_ref().map(|map| place.linear(map)).transpose()?,
            layers: layers?,
            sequence: block.sequence.clone(),
            final_norm: block.final_norm.as_ref().map(|norm| place.layer_norm(norm)).transpose()?,
        })
    }

    /// The layers in the order that they run.
    pub fn running(&self) -> impl DoubleEndedIterator<Item = &Layer<B>> + ExactSizeIterator {
        self.sequence.iter().map(|&number| &self.layers[number])
    }
}
