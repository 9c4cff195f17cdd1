//! Attention, as requested and as returned.

use super::Resolved;
use crate::choice::choices;

/// Which attention to return. Negative layers and heads count from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionSelection {
    pub kind: AttentionKind,
    pub layers: Selection,
    pub heads: Heads,
    /// Whether to classify every head.
    pub patterns: bool,
}

choices! {
    /// What the entries of an attention matrix are.
    pub enum AttentionKind {
        /// Outputs of the softmax.
        Weights = "weights",
        /// Norms of the weighted value vectors (Kobayashi et al. 2020).
        Norm = "norm",
        /// Product of the weights up to a layer (Abnar & Zuidema 2020).
        Rollout = "rollout",
        /// Weights times the gradient of the explained scalar at them.
        Gradient = "gradient",
        /// Norms of what tokens contribute through the attention block: attention, residual
        /// connection and layer norm (Kobayashi et al. 2021).
        BlockNorm = "block_norm",
        /// Shares of tokens in the output of the attention block (ALTI, Ferrando et al. 2022).
        Alti = "alti",
        /// How much a layer's output changes without the value vectors of a token (Mohebbi et al.
        /// 2023).
        ValueZeroing = "value_zeroing",
    }
}

impl AttentionKind {
    /// Whether there is one matrix per layer, for all heads together.
    pub fn combines_heads(self) -> bool {
        matches!(self, Self::Rollout | Self::BlockNorm | Self::Alti | Self::ValueZeroing)
    }
}

/// All layers or heads, or a list of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    List(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heads {
    Each(Selection),
    /// One matrix per layer: the mean of its heads.
    Mean,
}

/// Attention of the chosen layers and heads.
pub struct Attention {
    pub kind: AttentionKind,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0; `None` if the heads were averaged.
    pub heads: Option<Vec<usize>>,
    pub tokens: usize,
    /// `[layers, heads or 1, tokens, tokens]`, query by key.
    pub weights: Vec<f64>,
    /// The target whose gradient it is, for kind `Gradient`.
    pub target: Option<Resolved>,
    /// Patterns of every head of the model, if requested.
    pub patterns: Option<Vec<HeadPattern>>,
}

/// What a head does with one input.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadPattern {
    /// Counted from 0.
    pub layer: usize,
    pub head: usize,
    pub pattern: Pattern,
    /// Score of `pattern`.
    pub score: f64,
    /// Scores of all patterns: the share of attention that follows the pattern, averaged over
    /// queries. For `Broad`, the entropy as a share of the highest possible one.
    pub scores: Vec<(Pattern, f64)>,
    /// The pairs with the most attention.
    pub pairs: Vec<Pair>,
}

/// The attention of one query to one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub query: usize,
    pub key: usize,
    pub weight: f64,
}

choices! {
    /// Where a head looks.
    pub enum Pattern {
        Previous = "previous",
        Next = "next",
        Itself = "self",
        /// The first token, if the tokenizer adds it.
        First = "cls",
        /// The other tokens that the tokenizer adds.
        Separator = "sep",
        Punctuation = "punctuation",
        /// Other occurrences of the same token.
        Repeated = "repeated",
        /// All tokens.
        Broad = "broad",
        /// None of these.
        Mixed = "mixed",
    }
}
