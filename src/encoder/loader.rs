//! Loads blocks: reads a description's tensors, passes them to the back end and frees them.

use std::sync::Arc;

use super::block_norm::BlockNorm;
use crate::backend::{Attention, Backend, Heads, Projections, Relation, Tables};
use crate::blocks;
use crate::checkpoint::{Checkpoint, LoadError, WEIGHTS};

/// Loads blocks of one checkpoint onto one back end.
pub struct Loader<'a, B> {
    pub backend: &'a B,
    pub checkpoint: &'a Checkpoint,
}

impl<B: Backend> Loader<'_, B> {
    fn failed(&self, error: B::Error) -> LoadError {
        self.checkpoint.error(WEIGHTS, error)
    }

    /// Reads an optional vector, zeros if it is missing.
    fn bias(&self, bias: Option<&blocks::Stored>, size: usize) -> Result<Vec<f32>, LoadError> {
        bias.map_or_else(|| Ok(vec![0.; size]), |bias| self.checkpoint.load(bias))
    }

    pub fn linear(&self, block: &blocks::Linear) -> Result<B::Linear, LoadError> {
        let (weight, bias) = self.weight_and_bias(block)?;
        let loaded = self.backend.load_linear(&weight, &bias, block.input);
        loaded.map_err(|error| self.failed(error))
    }

    /// Loads a linear map of a transformer layer.
    pub fn layer_linear(&self, block: &blocks::Linear) -> Result<B::Linear, LoadError> {
        let (weight, bias) = self.weight_and_bias(block)?;
        let loaded = self.backend.load_layer_linear(&weight, &bias, block.input);
        loaded.map_err(|error| self.failed(error))
    }

    fn weight_and_bias(&self, block: &blocks::Linear) -> Result<(Vec<f32>, Vec<f32>), LoadError> {
        let weight = self.checkpoint.load(&block.weight)?;
        Ok((weight, self.bias(block.bias.as_ref(), block.out)?))
    }

    pub fn layer_norm(&self, block: &blocks::LayerNorm) -> Result<B::LayerNorm, LoadError> {
        let weight = self.checkpoint.load(&block.weight)?;
        let bias = self.bias(block.bias.as_ref(), block.size)?;
        let loaded = self.backend.load_layer_norm(&weight, &bias, block.eps);
        loaded.map_err(|error| self.failed(error))
    }

    pub fn block_norm(&self, block: &blocks::LayerNorm) -> Result<BlockNorm, LoadError> {
        let numbers = |all: Vec<f32>| all.into_iter().map(f64::from).collect();
        let bias = self.bias(block.bias.as_ref(), block.size)?;
        let weight = self.checkpoint.load(&block.weight)?;
        Ok(BlockNorm { weight: numbers(weight), bias: numbers(bias), eps: block.eps })
    }

    pub fn embeddings(&self, block: &blocks::Embeddings) -> Result<B::Embeddings, LoadError> {
        let optional = |table: &Option<blocks::Stored>| {
            table.as_ref().map(|table| self.checkpoint.load(table)).transpose()
        };
        let tables = Tables {
            width: block.width,
            word: self.checkpoint.load(&block.word)?,
            position: optional(&block.position)?,
            token_type: optional(&block.token_type)?,
            numbering: block.numbering,
        };
        let norm = self.layer_norm(&block.norm)?;
        self.backend.load_embeddings(tables, norm).map_err(|error| self.failed(error))
    }

    /// Loads the maps of an attention block to query, key and value.
    pub fn projections(
        &self,
        block: &blocks::Attention,
    ) -> Result<Projections<B::Linear>, LoadError> {
        let maps = [
            self.layer_linear(&block.query)?,
            self.layer_linear(&block.key)?,
            self.layer_linear(&block.value)?,
        ];
        self.backend.join(maps).map_err(|error| self.failed(error))
    }

    /// Loads the parts of attention that are not linear maps.
    pub fn attention(&self, block: &blocks::Attention) -> Result<Attention<B::Array>, LoadError> {
        let heads = Heads { count: block.heads, size: block.head_size };
        let plain = Attention { window: block.window, ..Attention::plain(heads) };
        Ok(match &block.relation {
            blocks::Relation::None => plain,
            blocks::Relation::Rotary(angles) => {
                Attention { relation: Relation::Rotary(Arc::clone(angles)), ..plain }
            }
            blocks::Relation::Bias { table, distances } => {
                let table = self.checkpoint.load(table)?;
                let distances = Arc::clone(distances);
                Attention { relation: Relation::Bias { table, distances }, ..plain }
            }
            blocks::Relation::Disentangled(parts) => {
                let relation = self.disentangled(parts)?;
                Attention { scale: parts.scale(block.head_size), relation, ..plain }
            }
        })
    }

    /// Loads disentangled attention. The distance embeddings are constant, so they are projected
    /// once.
    fn disentangled(&self, block: &blocks::Disentangled) -> Result<Relation<B::Array>, LoadError> {
        let width = block.width;
        let rows = self.checkpoint.load(&block.embeddings)?;
        let rows: Vec<Vec<f64>> =
            rows.chunks(width).map(|row| row.iter().copied().map(f64::from).collect()).collect();
        let b = self.backend;
        let mut rows = b.array(&rows).map_err(|error| self.failed(error))?;
        if let Some(norm) = &block.norm {
            let norm = self.layer_norm(norm)?;
            rows = b.layer_norm(&norm, rows).map_err(|error| self.failed(error))?.0;
        }
        let projected = |map: &Option<blocks::Linear>| {
            let Some(map) = map else { return Ok(None) };
            let loaded = self.linear(map)?;
            b.linear(&loaded, &rows, None).map(Some).map_err(|error| self.failed(error))
        };
        Ok(Relation::Disentangled {
            key: projected(&block.key)?,
            query: projected(&block.query)?,
            distances: Arc::clone(&block.distances),
        })
    }
}
