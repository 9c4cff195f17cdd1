//! The block kinds that models are made of, as descriptions: which tensors of
//! a checkpoint, in which shape, put together how. An architecture writes one;
//! a back end puts the weights in place.

mod activation;
mod head;
mod relation;

use std::ops::Range;
use std::sync::Arc;

use safetensors::Dtype;

pub use activation::Activation;
pub use head::{Dense, Head, Pool, Pooling, Residual, Step, Way};
pub use relation::{Angles, Disentangled, Distances, Relation};

/// Where a tensor of floats lies in a checkpoint. Some rows of one whose order
/// is [`MemoryOrder::Rows`] are a tensor too: move `start` and shorten `bytes`.
#[derive(Debug, Clone)]
pub struct Stored {
    /// As the file has it.
    pub name: String,
    pub file: Arc<str>,
    pub dtype: Dtype,
    /// Its first byte in the file, and its bytes.
    pub start: u64,
    pub bytes: usize,
    pub order: MemoryOrder,
    /// What an adapter adds to it.
    pub update: Option<Arc<Update>>,
}

/// A product of two small matrices that is added to a large one, `[out, input]`:
/// `scale · up down`.
#[derive(Debug)]
pub struct Update {
    /// `[rank, input]`
    pub down: Stored,
    /// `[out, rank]`
    pub up: Stored,
    pub rank: usize,
    pub scale: f64,
}

/// How a tensor's numbers follow each other in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrder {
    /// Row after row, as everything but old PyTorch files has them.
    Rows,
    /// Column after column: a matrix that was transposed without being copied.
    Columns { rows: usize, columns: usize },
}

impl Stored {
    /// Some of its `rows` rows.
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

/// `y = x Wᵀ + b`, weight `[out, input]`, bias `[out]`, or none.
#[derive(Debug, Clone)]
pub struct Linear {
    pub weight: Stored,
    pub bias: Option<Stored>,
    pub input: usize,
    pub out: usize,
}

impl Linear {
    /// The map to some of its outputs.
    pub fn part(&self, part: Range<usize>) -> Self {
        let of = |tensor: &Stored| tensor.part(part.clone(), self.out);
        let bias = self.bias.as_ref().map(of);
        Self { weight: of(&self.weight), bias, input: self.input, out: part.len() }
    }

    fn weights(&self) -> usize {
        self.input * self.out
    }
}

/// `γ x̂ + β`, `[size]` each; β may be missing.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    pub weight: Stored,
    pub bias: Option<Stored>,
    pub size: usize,
    pub eps: f64,
}

/// Which position each token of a sequence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// 0, 1, 2, …
    FromZero,
    /// RoBERTa's: padding has the padding id as its position, other tokens are
    /// counted from the one after it.
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

    /// How many tokens a table of `entries` positions has room for.
    pub fn room(self, entries: usize) -> usize {
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

/// Multi-head attention's maps, and how distance enters it.
#[derive(Debug, Clone)]
pub struct Attention {
    pub heads: usize,
    pub head_size: usize,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub relation: Relation,
    /// The farthest key that a query sees, in tokens to either side.
    pub window: Option<usize>,
}

/// What follows attention: `down(act(up(x)))`, or `down(act(gate(x)) up(x))`
/// (Shazeer 2020) where there is a gate.
#[derive(Debug, Clone)]
pub struct FeedForward {
    pub gate: Option<Linear>,
    pub up: Linear,
    pub activation: Activation,
    pub down: Linear,
}

/// One transformer layer: attention and feed-forward, each with a residual.
#[derive(Debug, Clone)]
pub struct Layer {
    pub attention: Attention,
    pub attention_norm: Option<LayerNorm>,
    pub feed_forward: FeedForward,
    pub output_norm: LayerNorm,
    pub order: Order,
}

/// Where the norms of a layer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// After each sum (Devlin et al. 2019): `h = norm(x + attention(x))`,
    /// `y = norm(h + forward(h))`.
    After,
    /// Before each block (Xiong et al. 2020): `h = x + attention(norm(x))`,
    /// `y = h + forward(norm(h))`.
    Before,
}

/// Beside the first layer, with input x and output y: `norm(y + act(conv(x)))`,
/// over `size` neighbouring tokens (He et al. 2021, DeBERTa v2).
#[derive(Debug, Clone)]
pub struct Convolution {
    /// From `hidden · size` numbers, a channel's neighbours side by side.
    pub map: Linear,
    pub size: usize,
    pub activation: Activation,
    pub norm: LayerNorm,
}

/// An embedding block and a stack of layers.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub embeddings: Embeddings,
    /// From the embeddings' width to the layers'.
    pub projection: Option<Linear>,
    /// Each set of weights once.
    pub layers: Vec<Layer>,
    /// Which of them runs first, second, …: ALBERT runs one again and again.
    pub sequence: Vec<usize>,
    pub convolution: Option<Convolution>,
    pub final_norm: Option<LayerNorm>,
}

impl Layer {
    /// Numbers of its weights.
    fn weights(&self) -> usize {
        let (attention, forward) = (&self.attention, &self.feed_forward);
        let maps = [&attention.query, &attention.key, &attention.value, &attention.output];
        let maps = maps.into_iter().chain([&forward.up, &forward.down]).chain(&forward.gate);
        maps.map(Linear::weights).sum()
    }

    /// Numbers that a forward pass of `tokens` keeps for the gradient: query,
    /// key, value, two normalised states, a slope (and with a gate two factors),
    /// and the attention weights.
    fn kept(&self, tokens: usize) -> usize {
        let wide = if self.feed_forward.gate.is_some() { 3 } else { 1 };
        let states = 5 * self.attention.query.out + wide * self.feed_forward.up.out;
        tokens * states + self.attention.heads * tokens * tokens
    }
}

impl Encoder {
    /// The layers in the order that they run.
    pub fn running(&self) -> impl Iterator<Item = &Layer> {
        self.sequence.iter().map(|&number| &self.layers[number])
    }

    /// Multiply-adds of one token's forward pass, attention aside.
    pub fn work_per_token(&self) -> usize {
        self.running().map(Layer::weights).sum()
    }

    /// Numbers that a pass keeps for the gradient of a row of `tokens`, and a
    /// few states in between.
    pub fn kept_per_row(&self, tokens: usize) -> usize {
        let between = self
            .layers
            .first()
            .map_or(0, |layer| 8 * layer.attention.query.out + 2 * layer.feed_forward.up.out);
        self.running().map(|layer| layer.kept(tokens)).sum::<usize>() + tokens * between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_has_a_position_of_its_own() {
        assert_eq!(Numbering::FromZero.positions(&[7, 1, 9]), [0, 1, 2]);
        assert_eq!(Numbering::AfterPadding(1).positions(&[0, 7, 1, 9, 2]), [2, 3, 1, 4, 5]);
        assert_eq!(Numbering::AfterPadding(1).room(514), 512);
    }
}
