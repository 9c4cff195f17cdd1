//! Descriptions of the blocks that models consist of: which tensors of a checkpoint, their shapes,
//! and how they are combined. An architecture builds a description; a back end loads the weights.

mod activation;
mod head;
mod relation;

use std::ops::Range;
use std::sync::Arc;

use safetensors::Dtype;

pub use activation::Activation;
pub use head::{Dense, Head, Pool, Pooling, PoolingMode, Residual, Step};
pub use relation::{Angles, Disentangled, Distances, Relation};

/// The location of a float tensor in a checkpoint. Consecutive rows of a [`MemoryOrder::Rows`]
/// tensor are a tensor too: move `start` and shorten `bytes`.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The name in the file.
    pub name: String,
    pub file: Arc<str>,
    pub dtype: Dtype,
    /// The offset in the file and the length.
    pub start: u64,
    pub bytes: usize,
    pub order: MemoryOrder,
    /// A low-rank update from an adapter.
    pub update: Option<Arc<Update>>,
}

/// A low-rank update (LoRA) that is added to a weight `[out, input]`: `scale · up down`.
#[derive(Debug)]
pub struct Update {
    /// `[rank, input]`
    pub down: Stored,
    /// `[out, rank]`
    pub up: Stored,
    pub rank: usize,
    pub scale: f64,
}

/// The memory order of a tensor in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrder {
    /// Row-major, as in every format except old PyTorch files.
    Rows,
    /// Column-major: a matrix that was transposed without being copied.
    Columns { rows: usize, columns: usize },
}

impl Stored {
    /// Returns the rows `part` of a tensor of `rows` rows.
    pub fn part(&self, part: Range<usize>, rows: usize) -> Self {
        let row = self.bytes / rows;
        let start = self.start + (part.start * row) as u64;
        let update = self.update.as_ref().map(|update| Arc::new(update.part(&part, rows)));
        Self { start, bytes: part.len() * row, update, ..self.clone() }
    }
}

impl Update {
    fn part(&self, part: &Range<usize>, rows: usize) -> Self {
        Self { down: self.down.clone(), up: self.up.part(part.clone(), rows), ..*self }
    }
}

/// `y = x Wᵀ + b`, weight `[out, input]`, optional bias `[out]`.
#[derive(Debug, Clone)]
pub struct Linear {
    pub weight: Stored,
    pub bias: Option<Stored>,
    pub input: usize,
    pub out: usize,
}

impl Linear {
    /// Returns the map to the outputs `part`.
    pub fn part(&self, part: Range<usize>) -> Self {
        let of = |tensor: &Stored| tensor.part(part.clone(), self.out);
        let bias = self.bias.as_ref().map(of);
        Self { weight: of(&self.weight), bias, input: self.input, out: part.len() }
    }

    fn weights(&self) -> usize {
        self.input * self.out
    }
}

/// `γ x̂ + β`, `[size]` each, β optional.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    pub weight: Stored,
    pub bias: Option<Stored>,
    pub size: usize,
    pub eps: f64,
}

/// How position ids are assigned to tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// 0, 1, 2, …
    FromZero,
    /// RoBERTa's: padding gets the padding id as its position, other tokens count up from the id
    /// after it.
    AfterPadding(u32),
}

impl Numbering {
    /// `[tokens]` → `[tokens]`
    pub fn positions(self, input_ids: &[u32]) -> Vec<u32> {
        match self {
            Self::FromZero => (0..input_ids.len() as u32).collect(),
            Self::AfterPadding(pad) => {
                let mut last = pad;
                let position = |&id: &u32| {
                    last += u32::from(id != pad);
                    if id == pad { pad } else { last }
                };
                input_ids.iter().map(position).collect()
            }
        }
    }

    /// Returns the longest sequence that a table of `entries` positions allows.
    pub fn max_tokens(self, entries: usize) -> usize {
        match self {
            Self::FromZero => entries,
            Self::AfterPadding(pad) => entries.saturating_sub(pad as usize + 1),
        }
    }
}

/// `norm(word + position + type)`; tables `[entries, width]`.
#[derive(Debug, Clone)]
pub struct Embeddings {
    pub word: Stored,
    pub position: Option<Stored>,
    pub token_type: Option<Stored>,
    pub numbering: Numbering,
    pub width: usize,
    pub norm: LayerNorm,
}

/// Multi-head attention: its linear maps, and how relative position enters.
#[derive(Debug, Clone)]
pub struct Attention {
    pub heads: usize,
    pub head_size: usize,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub relation: Relation,
    /// Local attention: the maximum distance between query and key, in tokens.
    pub window: Option<usize>,
}

/// The feed-forward block: `down(act(up(x)))`, or `down(act(gate(x)) up(x))` with a gate (Shazeer
/// 2020).
#[derive(Debug, Clone)]
pub struct FeedForward {
    pub gate: Option<Linear>,
    pub up: Linear,
    pub activation: Activation,
    pub down: Linear,
}

/// A transformer layer: attention and feed-forward, each with a residual connection.
#[derive(Debug, Clone)]
pub struct Layer {
    pub attention: Attention,
    pub attention_norm: Option<LayerNorm>,
    pub feed_forward: FeedForward,
    pub output_norm: LayerNorm,
    pub order: Order,
}

/// Where the layer norms are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Post-norm (Devlin et al. 2019): `h = norm(x + attention(x))`, `y = norm(h + forward(h))`.
    After,
    /// Pre-norm (Xiong et al. 2020): `h = x + attention(norm(x))`, `y = h + forward(norm(h))`.
    Before,
}

/// DeBERTa v2's convolution over `size` neighbouring tokens, parallel to the first layer (He et
/// al. 2021): `norm(y + act(conv(x)))`, where x is the layer's input and y its output.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// From `hidden · size` numbers: for each channel, its values at the neighbouring tokens.
    pub map: Linear,
    pub size: usize,
    pub activation: Activation,
    pub norm: LayerNorm,
}

/// An encoder: an embedding block and a stack of layers.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub embeddings: Embeddings,
    /// From the embedding width to the hidden size.
    pub projection: Option<Linear>,
    /// The distinct layers, each stored once.
    pub layers: Vec<Layer>,
    /// Indices into `layers` in execution order. ALBERT runs the same layer repeatedly.
    pub sequence: Vec<usize>,
    pub convolution: Option<Convolution>,
    pub final_norm: Option<LayerNorm>,
}

impl Layer {
    /// Returns the number of weights in linear maps.
    pub fn weights(&self) -> usize {
        let (attention, forward) = (&self.attention, &self.feed_forward);
        let maps = [&attention.query, &attention.key, &attention.value, &attention.output];
        let maps = maps.into_iter().chain([&forward.up, &forward.down]).chain(&forward.gate);
        maps.map(Linear::weights).sum()
    }

    /// Returns how many numbers a forward pass of `tokens` saves for the gradient: query, key,
    /// value, two normalised states, the activation's slope (and with a gate its two factors), and
    /// the attention weights.
    fn saved(&self, tokens: usize) -> usize {
        let wide = if self.feed_forward.gate.is_some() { 3 } else { 1 };
        let states = 5 * self.attention.query.out + wide * self.feed_forward.up.out;
        tokens * states + self.attention.heads * tokens * tokens
    }
}

impl Encoder {
    /// Returns an encoder without layers and embeddings, for a model that is not run here.
    pub fn empty() -> Self {
        let nothing = || Stored {
            name: String::new(),
            file: "".into(),
            dtype: Dtype::F32,
            start: 0,
            bytes: 0,
            order: MemoryOrder::Rows,
            update: None,
        };
        let embeddings = Embeddings {
            word: nothing(),
            position: None,
            token_type: None,
            numbering: Numbering::FromZero,
            width: 0,
            norm: LayerNorm { weight: nothing(), bias: None, size: 0, eps: 0. },
        };
        Self {
            embeddings,
            projection: None,
            layers: Vec::new(),
            sequence: Vec::new(),
            convolution: None,
            final_norm: None,
        }
    }

    /// Returns the layers in execution order.
    pub fn running(&self) -> impl Iterator<Item = &Layer> {
        self.sequence.iter().map(|&number| &self.layers[number])
    }

    /// Returns the multiply-adds per token of a forward pass, without attention.
    pub fn work_per_token(&self) -> usize {
        self.running().map(Layer::weights).sum()
    }

    /// Returns how many numbers a pass saves for the gradient of a row of `tokens`, including a
    /// few intermediate states.
    pub fn saved_per_row(&self, tokens: usize) -> usize {
        let intermediate = self
            .layers
            .first()
            .map_or(0, |layer| 8 * layer.attention.query.out + 2 * layer.feed_forward.up.out);
        self.running().map(|layer| layer.saved(tokens)).sum::<usize>() + tokens * intermediate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_has_its_own_position() {
        assert_eq!(Numbering::FromZero.positions(&[7, 1, 9]), [0, 1, 2]);
        assert_eq!(Numbering::AfterPadding(1).positions(&[0, 7, 1, 9, 2]), [2, 3, 1, 4, 5]);
        assert_eq!(Numbering::AfterPadding(1).max_tokens(514), 512);
    }
}
