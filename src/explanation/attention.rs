//! Which attention is asked for, and what is answered.

use super::Resolved;

/// Which attention to return. Negative layers and heads count from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionSelection {
    pub kind: AttentionKind,
    pub layers: Selection,
    pub heads: Heads,
    /// Whether every head is classified too.
    pub patterns: bool,
}

/// What a matrix of attention is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKind {
    /// What the softmax gave.
    Weights,
    /// Weights times the length of what they move (Kobayashi et al. 2020).
    Norm,
    /// Weights multiplied up to a layer (Abnar & Zuidema 2020).
    Rollout,
    /// Weights times the explained scalar's gradient at them.
    Gradient,
}

impl AttentionKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Norm => "norm",
            Self::Rollout => "rollout",
            Self::Gradient => "gradient",
        }
    }
}

/// All of something, or some by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    List(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heads {
    Each(Selection),
    /// One matrix a layer: the mean of its heads.
    Mean,
}

/// Attention of the chosen layers and heads.
pub struct Attention {
    pub kind: AttentionKind,
    /// Counted from 0.
    pub layers: Vec<usize>,
    /// Counted from 0; none where the heads were averaged.
    pub heads: Option<Vec<usize>>,
    pub tokens: usize,
    /// `[layers, heads or 1, tokens, tokens]`: query by key.
    pub weights: Vec<f64>,
    /// What it is the gradient of, if it is one.
    pub target: Option<Resolved>,
    /// Of every head of the model, where they were asked for.
    pub patterns: Option<Vec<HeadPattern>>,
}

/// What a head does with one input.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadPattern {
    /// Counted from 0.
    pub layer: usize,
    pub head: usize,
    pub pattern: Pattern,
    /// Of its pattern.
    pub score: f64,
    /// Of every pattern: the share of attention that follows it, on average over
    /// the queries; of broad, the entropy as a share of the highest.
    pub scores: Vec<(Pattern, f64)>,
    /// Where it looks most.
    pub pairs: Vec<Pair>,
}

/// One query that looks at one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub query: usize,
    pub key: usize,
    pub weight: f64,
}

/// Where a head looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    Previous,
    Next,
    Itself,
    /// The first token, where the tokenizer adds it.
    First,
    /// The others that the tokenizer adds.
    Separator,
    Punctuation,
    /// The same token elsewhere.
    Repeated,
    /// Everywhere.
    Broad,
    /// None of these.
    Mixed,
}

impl Pattern {
    pub fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Next => "next",
            Self::Itself => "self",
            Self::First => "cls",
            Self::Separator => "sep",
            Self::Punctuation => "punctuation",
            Self::Repeated => "repeated",
            Self::Broad => "broad",
            Self::Mixed => "mixed",
        }
    }
}
