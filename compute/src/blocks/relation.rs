//! How the relative position of two tokens enters their attention.

use std::ops::Range;
use std::sync::Arc;

use super::{LayerNorm, Linear, Stored};

/// How the distance between query and key enters their attention, besides the position embeddings.
#[derive(Debug, Clone)]
pub enum Relation {
    None,
    /// Rotary position embeddings (Su et al. 2021): rotates the pairs `(i, i + size/2)` of query
    /// and key by `position / base^(2 i / size)`.
    Rotary(Arc<Angles>),
    /// A bias per head and distance bucket (MPNet, Song et al. 2020); table `[buckets, heads]`.
    Bias {
        table: Stored,
        distances: Arc<Distances>,
    },
    Disentangled(Box<Disentangled>),
}

/// DeBERTa's disentangled attention (He et al. 2021). With an embedding r per distance bucket, the
/// score is `(q k + q K_r(r) + k Q_r(r)) / sqrt(size · terms)`.
#[derive(Debug, Clone)]
pub struct Disentangled {
    /// `[buckets, width]`
    pub embeddings: Stored,
    pub width: usize,
    /// Number of terms in the sum: 1 to 3.
    pub terms: usize,
    pub norm: Option<LayerNorm>,
    /// K_r, if content attends to position.
    pub key: Option<Linear>,
    /// Q_r, if position attends to content.
    pub query: Option<Linear>,
    pub distances: Arc<Distances>,
}

impl Disentangled {
    /// Returns the factor of the scores. Rounds to f32 as transformers does in any precision.
    pub fn scale(&self, head_size: usize) -> f64 {
        1. / f64::from(((head_size * self.terms) as f32).sqrt())
    }
}

/// Cosines and sines of rotary embeddings, `[positions, head size / 2]` each.
#[derive(Debug)]
pub struct Angles {
    pub half: usize,
    pub cos: Vec<f64>,
    pub sin: Vec<f64>,
}

impl Angles {
    pub fn new(base: f64, size: usize, positions: usize) -> Self {
        let half = size / 2;
        let frequency = |i: usize| base.powf(-((2 * i) as f64) / size as f64);
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let angle = |position: usize| frequencies.iter().map(move |f| position as f64 * f);
        let angles: Vec<f64> = (0..positions).flat_map(angle).collect();
        Self {
            half,
            cos: angles.iter().map(|angle| angle.cos()).collect(),
            sin: angles.iter().map(|angle| angle.sin()).collect(),
        }
    }

    /// Returns the cosines and sines of one position, `[half]` each.
    pub fn at(&self, position: usize) -> (&[f64], &[f64]) {
        let part = position * self.half..(position + 1) * self.half;
        (&self.cos[part.clone()], &self.sin[part])
    }
}

/// The bucket of each distance from query to key.
#[derive(Debug, PartialEq, Eq)]
pub struct Distances {
    /// Buckets of the distances `-(max - 1)`, …, `max - 1`.
    buckets: Vec<usize>,
}

impl Distances {
    /// Creates a table for up to `max_tokens` tokens. `bucket` maps query position minus key
    /// position to a bucket.
    pub fn new(max_tokens: usize, bucket: impl Fn(i64) -> usize) -> Self {
        let reach = max_tokens.saturating_sub(1) as i64;
        Self { buckets: (-reach..=reach).map(bucket).collect() }
    }

    pub fn bucket(&self, query: usize, key: usize) -> usize {
        self.buckets[self.buckets.len() / 2 + query - key]
    }

    /// Returns the range of buckets that occur in a sequence of `tokens`.
    pub fn range(&self, tokens: usize) -> Range<usize> {
        let middle = self.buckets.len() / 2;
        let used = &self.buckets[middle + 1 - tokens..middle + tokens];
        let smallest = used.iter().min().copied().unwrap_or_default();
        smallest..used.iter().max().map_or(0, |largest| largest + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_from_query_to_key() {
        let distances = Distances::new(4, |distance| (distance + 10) as usize);
        assert_eq!(distances.bucket(3, 0), 13);
        assert_eq!(distances.bucket(0, 3), 7);
        assert_eq!(distances.range(1), 10..11);
        assert_eq!(distances.range(3), 8..13);
    }
}
