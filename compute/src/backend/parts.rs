//! What back ends are given and return besides arrays.

use std::ops::Range;
use std::sync::Arc;

use crate::blocks::{Angles, Distances, Numbering};
use crate::rows::Reduce;

/// The packed ranges of one row: its queries and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
    /// The row's tokens that are queries; `None` if all are.
    pub chosen: Option<Arc<[usize]>>,
    /// Whether the attention weights are needed after the forward pass: for a gradient or a map.
    pub kept: bool,
}

impl Span {
    /// Returns the span of a row in which every token is a query.
    pub fn whole(tokens: Range<usize>) -> Self {
        Self { queries: tokens.clone(), keys: tokens, chosen: None, kept: true }
    }

    /// Returns the position in its row of the `i`-th query.
    pub fn position(&self, i: usize) -> usize {
        self.chosen.as_ref().map_or(i, |chosen| chosen[i])
    }
}

/// Packed tokens of which many have equal embeddings.
#[derive(Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The index of the first token with each embedding.
    pub distinct: Vec<usize>,
    /// Per token, the index in `distinct` of the token with the same embedding.
    pub places: Vec<usize>,
}

/// The number and size of attention heads.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub count: usize,
    pub size: usize,
}

/// The parts of attention that are not linear maps.
#[derive(Debug)]
pub struct Attention<A> {
    pub heads: Heads,
    /// The factor of the query-key products.
    pub scale: f64,
    /// The maximum distance between query and key.
    pub window: Option<usize>,
    pub relation: Relation<A>,
}

impl<A> Attention<A> {
    /// Plain scaled dot-product attention (Vaswani et al. 2017).
    pub fn plain(heads: Heads) -> Self {
        let scale = 1. / (heads.size as f64).sqrt();
        Self { heads, scale, window: None, relation: Relation::None }
    }

    /// Whether `query` attends to `key`.
    pub fn sees(&self, query: usize, key: usize) -> bool {
        self.window.is_none_or(|window| query.abs_diff(key) <= window)
    }
}

/// A [`blocks::Relation`](crate::blocks::Relation) with loaded weights.
#[derive(Debug)]
pub enum Relation<A> {
    None,
    Rotary(Arc<Angles>),
    /// Added to the scaled products; `[buckets, heads]`.
    Bias {
        table: Vec<f32>,
        distances: Arc<Distances>,
    },
    /// Added to the products before scaling: query · `key[bucket]` and key · `query[bucket]`;
    /// `[buckets, hidden]` each.
    Disentangled {
        key: Option<A>,
        query: Option<A>,
        distances: Arc<Distances>,
    },
}

/// A row whose gradient is to be reduced.
#[derive(Debug, Clone)]
pub struct ToReduce {
    /// Where its tokens are among the packed ones.
    pub tokens: Range<usize>,
    pub reduce: Reduce,
}

/// The embedding tables, row-major: `[vocabulary, width]`, `[positions, width]`, `[types, width]`.
#[derive(Debug)]
pub struct Tables {
    pub width: usize,
    pub word: Vec<f32>,
    pub position: Option<Vec<f32>>,
    pub token_type: Option<Vec<f32>>,
    pub numbering: Numbering,
}

/// The memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    pub free: usize,
    pub total: usize,
}

/// The maps of the states to query, key and value.
#[derive(Debug)]
pub struct Projections<L> {
    pub query: L,
    pub key: L,
    pub value: L,
    /// All of them as one map, if the back end has joined them.
    pub joined: Option<L>,
}

/// Query, key and value of the tokens of a pass, or the gradients there.
#[derive(Debug)]
pub struct Projected<A> {
    pub query: A,
    pub key: A,
    pub value: A,
    /// All of them side by side, `[tokens, 3 · hidden]`, if the back end has computed them so.
    pub joined: Option<A>,
}

impl<A> Projected<A> {
    pub fn apart(query: A, key: A, value: A) -> Self {
        Self { query, key, value, joined: None }
    }
}
