//! From a description to weights in place: reads a block's tensors, hands them
//! to the back end and lets go of them.

use crate::backend::{Backend, Tables};
use crate::blocks;
use crate::checkpoint::{Checkpoint, LoadError, WEIGHTS};

pub type PlaceError = LoadError;

/// Places blocks of one checkpoint on one back end.
pub struct Place<'a, B> {
    pub backend: &'a B,
    pub checkpoint: &'a Checkpoint,
}

impl<B: Backend> Place<'_, B> {
    fn failed(&self, error: B::Error) -> PlaceError {
        self.checkpoint.error(WEIGHTS, error)
    }

    pub fn linear(&self, block: &blocks::Linear) -> Result<B::Linear, PlaceError> {
        let weight = self.checkpoint.load(&block.weight)?;
        let bias = self.checkpoint.load(&block.bias)?;
        let placed = self.backend.place_linear(&weight, &bias, block.input);
        placed.map_err(|error| self.failed(error))
    }

    pub fn layer_norm(&self, block: &blocks::LayerNorm) -> Result<B::LayerNorm, PlaceError> {
        let weight = self.checkpoint.load(&block.weight)?;
        let bias = self.checkpoint.load(&block.bias)?;
        let placed = self.backend.place_layer_norm(&weight, &bias, block.eps);
        placed.map_err(|error| self.failed(error))
    }

    pub fn embeddings(&self, block: &blocks::Embeddings) -> Result<B::Embeddings, PlaceError> {
        let tables = Tables {
            hidden: block.hidden,
            word: self.checkpoint.load(&block.word)?,
            position: self.checkpoint.load(&block.position)?,
            token_type: self.checkpoint.load(&block.token_type)?,
        };
        let norm = self.layer_norm(&block.norm)?;
        self.backend.place_embeddings(tables, norm).map_err(|error| self.failed(error))
    }
}
