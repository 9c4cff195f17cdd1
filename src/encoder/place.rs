//! From a description to weights in place: reads a block's tensors, hands them
//! to the back end and lets go of them.

use std::sync::Arc;

use crate::backend::{Attention, Backend, Heads, Relation, Tables};
use crate::blocks;
use crate::checkpoint::{Checkpoint, LoadError, WEIGHTS};

/// Places blocks of one checkpoint on one back end.
pub struct Place<'a, B> {
    pub backend: &'a B,
    pub checkpoint: &'a Checkpoint,
}

impl<B: Backend> Place<'_, B> {
    fn failed(&self, error: B::Error) -> LoadError {
        self.checkpoint.error(WEIGHTS, error)
    }

    /// A vector that may be missing: then zeros.
    fn bias(&self, bias: Option<&blocks::Stored>, size: usize) -> Result<Vec<f32>, LoadError> {
        bias.map_or_else(|| Ok(vec![0.; size]), |bias| self.checkpoint.load(bias))
    }

    pub fn linear(&self, block: &blocks::Linear) -> Result<B::Linear, LoadError> {
        let weight = self.checkpoint.load(&block.weight)?;
        let bias = self.bias(block.bias.as_ref(), block.out)?;
        let placed = self.backend.place_linear(&weight, &bias, block.input);
        placed.map_err(|error| self.failed(error))
    }

    pub fn layer_norm(&self, block: &blocks::LayerNorm) -> Result<B::LayerNorm, LoadError> {
        let weight = self.checkpoint.load(&block.weight)?;
        let bias = self.bias(block.bias.as_ref(), block.size)?;
        let placed = self.backend.place_layer_norm(&weight, &bias, block.eps);
        placed.map_err(|error| self.failed(error))
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
        self.backend.place_embeddings(tables, norm).map_err(|error| self.failed(error))
    }

    /// What attention does beside its maps.
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

    /// Embedded distances never change: they are put through their maps once.
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
        let through = |map: &Option<blocks::Linear>| {
            let Some(map) = map else { return Ok(None) };
            let placed = self.linear(map)?;
            b.linear(&placed, &rows, None).map(Some).map_err(|error| self.failed(error))
        };
        Ok(Relation::Disentangled {
            key: through(&block.key)?,
            query: through(&block.query)?,
            distances: Arc::clone(&block.distances),
        })
    }
}
