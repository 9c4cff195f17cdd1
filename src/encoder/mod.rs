//! The encoder that the architectures share: an embedding block and a stack of
//! transformer layers, run over packed rows.

pub mod embeddings;
pub mod layer;

use candle_core::{Result, Tensor};

pub use embeddings::{Embedded, Embeddings};
pub use layer::{Saved, TransformerLayer};

use crate::kernels::attention::Group;

/// An encoder with frozen weights, as an architecture describes it.
#[derive(Debug)]
pub struct Encoder {
    pub embeddings: Embeddings,
    pub layers: Vec<TransformerLayer>,
}

impl Encoder {
    /// Attention heads of each layer.
    pub fn heads(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.attention.heads)
    }

    /// From the embedding block's output to the last hidden state, both
    /// `[total, hidden]`. `keep` receives what each layer saved, with the
    /// layer's number: a forward pass takes the attention out and drops it, a
    /// gradient pass keeps it.
    pub fn forward(
        &self,
        embedded: &Tensor,
        groups: &[Group],
        mut keep: impl FnMut(usize, Saved) -> Result<()>,
    ) -> Result<Tensor> {
        let mut hidden = embedded.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            let (output, saved) = layer.forward(&hidden, groups)?;
            keep(number, saved)?;
            hidden = output;
        }
        Ok(hidden)
    }

    /// Gradient at the last hidden state → at the embedding block's output.
    pub fn vjp(&self, saved: &[Saved], groups: &[Group], grad: &Tensor) -> Result<Tensor> {
        let mut grad = grad.clone();
        for (layer, saved) in self.layers.iter().zip(saved).rev() {
            grad = layer.vjp(saved, groups, &grad)?;
        }
        Ok(grad)
    }
}
