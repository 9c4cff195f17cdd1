//! Points on a path from a baseline to an input.

use std::sync::Arc;

use crate::random::Generator;

/// The baseline `x'` that an input is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// Other token ids, `[tokens]`, with the input's token types. At the word embeddings the
    /// positions are also the input's; at the embedding block's output they are those that the
    /// model gives these ids.
    Ids(Arc<[u32]>),
    /// Zero vectors at the path's layer.
    Zero,
    /// The states at a [`Layer::Hidden`](super::Layer::Hidden), where a path has no other baseline.
    States(Arc<Ends>),
}

/// The ends of a path through the states after a layer, `[tokens, hidden]` each.
#[derive(Debug, PartialEq)]
pub struct Ends {
    pub input: Vec<f64>,
    pub baseline: Vec<f64>,
}

impl Ends {
    /// Returns the states at `alpha`, one vector per token.
    pub(super) fn at(&self, alpha: f64, tokens: usize) -> Vec<Vec<f64>> {
        let width = self.input.len() / tokens.max(1);
        let numbers = self.baseline.iter().zip(&self.input);
        let states: Vec<f64> = numbers.map(|(from, to)| from + alpha * (to - from)).collect();
        states.chunks(width.max(1)).map(<[f64]>::to_vec).collect()
    }
}

/// The point `x' + alpha (x - x')` at the row's layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub baseline: Baseline,
    pub alpha: f64,
    /// Noise added to `x`; at the word embeddings only.
    pub noise: Option<Noise>,
    /// Number of tokens at the end that stay at the input: without noise, and with `x - x' = 0`.
    pub held: usize,
}

impl Path {
    /// Returns how many of `tokens` leave the input: the first ones.
    pub fn moved(&self, tokens: usize) -> usize {
        tokens.saturating_sub(self.held)
    }
}

/// Gaussian noise, drawn when the row runs: token by token, dimension by dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    pub generator: Generator,
    /// The standard deviation, as a fraction of the range of the row's embeddings.
    pub level: f64,
}

impl Noise {
    /// Returns one number per number of `input`, the row's flattened embeddings.
    pub fn draw(mut self, input: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = input.clone().fold(ends, |(low, high), x| (low.min(x), high.max(x)));
        let deviation = self.level * (high - low);
        input.map(|_| deviation * self.generator.normal()).collect()
    }
}
