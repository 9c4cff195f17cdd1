//! What an architecture describes, put together on a back end: an embedding
//! block, a stack of transformer layers and a head, with frozen weights.

pub mod classifier;
pub mod layer;
pub mod place;

use rayon::prelude::*;

pub use classifier::Classifier;
pub use layer::{Layer, Saved, Wanted};
use place::{Place, PlaceError};

use crate::backend::Backend;
use crate::blocks;

/// A [`blocks::Encoder`] on a back end.
pub struct Encoder<B: Backend> {
    pub embeddings: B::Embeddings,
    pub layers: Vec<Layer<B>>,
}

impl<B: Backend> Encoder<B> {
    /// Reads and places the layers side by side.
    pub fn place(block: &blocks::Encoder, place: &Place<'_, B>) -> Result<Self, PlaceError> {
        let (embeddings, layers) = rayon::join(
            || place.embeddings(&block.embeddings),
            || {
                block
                    .layers
                    .par_iter()
                    .map(|layer| Layer::place(layer, place))
                    .collect::<Result<_, _>>()
            },
        );
        Ok(Self { embeddings: embeddings?, layers: layers? })
    }
}
