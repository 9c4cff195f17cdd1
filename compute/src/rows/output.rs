//! What a row returns.

/// The attention of one layer, `[heads, queries, keys]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    pub heads: usize,
    pub tokens: usize,
    pub weights: Vec<f64>,
}

impl AttentionMap {
    /// Averages over the heads.
    pub fn mean(self) -> Self {
        let (size, heads) = (self.tokens * self.tokens, self.heads);
        let sum =
            |cell: usize| (0..heads).map(|head| self.weights[head * size + cell]).sum::<f64>();
        let weights = (0..size).map(|cell| sum(cell) / heads as f64).collect();
        Self { heads: 1, tokens: self.tokens, weights }
    }

    /// Returns `A' = (A + I) / 2` of a one-head map, each query's row normalised to sum 1:
    /// attention with the residual connection (Abnar & Zuidema 2020). `[tokens, tokens]`
    pub fn with_residual(&self) -> Vec<f64> {
        let mut weights = self.weights.clone();
        for (query, row) in weights.chunks_mut(self.tokens).enumerate() {
            row[query] += 1.;
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|weight| *weight /= sum);
        }
        weights
    }

    /// Sums over queries and keys: one number per head.
    pub fn sums(self) -> Self {
        // Of a map of gradients there may be only the queries that the head reads.
        let maps = self.weights.chunks((self.weights.len() / self.heads.max(1)).max(1));
        Self { heads: self.heads, tokens: 1, weights: maps.map(|map| map.iter().sum()).collect() }
    }

    /// Applies `change` to each element and its index.
    pub fn map(mut self, change: impl Fn(usize, f64) -> f64) -> Self {
        self.weights.iter_mut().enumerate().for_each(|(i, weight)| *weight = change(i, *weight));
        self
    }
}

/// The result of one row.
#[derive(Debug, Clone, Default)]
pub struct RowOutput {
    /// `[labels]`, or `[reads, labels]` for a head with outputs per token; empty if only scalars
    /// were requested of a head with outputs per token, or only their values.
    pub logits: Vec<f64>,
    /// The logits after the model's output activation.
    pub probabilities: Vec<f64>,
    /// `[tokens, hidden]`, or `[hidden]` if pooled, if requested.
    pub states: Vec<f64>,
    /// `[scalars]`
    pub values: Vec<f64>,
    /// One map per requested layer, in the requested order.
    pub attention: Vec<AttentionMap>,
    /// `[scalars][tokens]`, or `[scalars][tokens · hidden]` without reduction; the attention flow
    /// if requested; else empty.
    pub token_scores: Vec<Vec<f64>>,
    /// Of [`Want::Layers`](super::Want::Layers) and [`Want::Means`](super::Want::Means), one per
    /// layer.
    pub layers: Vec<LayerOutput>,
    /// Of [`Want::Lens`](super::Want::Lens), from the states after the embeddings and after every layer.
    pub lens: Vec<LensOutput>,
}

/// The states after one layer and the gradient there, `[tokens · hidden]` each, or `[hidden]` of
/// means; without a scalar, the gradient is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerOutput {
    pub states: Vec<f64>,
    pub gradient: Vec<f64>,
}

/// What the head computes from the states after one layer, in the shape of the row's outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LensOutput {
    pub logits: Vec<f64>,
    pub probabilities: Vec<f64>,
}

impl RowOutput {
    /// Whether all numbers are finite.
    pub fn is_finite(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let lists = [&self.logits, &self.probabilities, &self.states, &self.values];
        let layers = self.layers.iter().flat_map(|layer| [&layer.states, &layer.gradient]);
        let lens = self.lens.iter().flat_map(|layer| [&layer.logits, &layer.probabilities]);
        lists.into_iter().chain(layers).chain(lens).all(|list| finite(list))
            && self.attention.iter().all(|map| finite(&map.weights))
            && self.token_scores.iter().all(|scores| finite(scores))
    }
}
