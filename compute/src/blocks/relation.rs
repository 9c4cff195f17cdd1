//! How the places of two tokens enter their attention.

use std::ops::Range;
use std::sync::Arc;

use super::{LayerNorm, Linear, Stored};

/// How the distance between query and key enters their attention, beside what
/// the embeddings say of it.
#[derive(Debug, Clone)]
pub enum Relation {
    None,
    /// Query and key turned by angles that grow with their positions (Su et al.
    /// 2021): pairs `(i, i + size/2)` by `position / base^(2 i / size)`.
    Rotary(Arc<Angles>),
    /// A number a head for each bucket of distances (Song et al. 2020, MPNet);
    /// table `[buckets, heads]`.
    Bias {
        table: Stored,
        distances: Arc<Distances>,
    },
    Disentangled(Box<Disentangled>),
}

/// DeBERTa's (He et al. 2021): with an embedding r of each bucket of distances,
/// `(q k + q K_r(r) + k Q_r(r)) / sqrt(size · terms)`.
#[derive(Debug, Clone)]
pub struct Disentangled {
    /// `[buckets, width]`
    pub embeddings: Stored,
    pub width: usize,
    /// Of content and position, as many as take part: 1 to 3.
    pub terms: usize,
    pub norm: Option<LayerNorm>,
    /// K_r, where content looks at position.
    pub key: Option<Linear>,
    /// Q_r, where position looks at content.
    pub query: Option<Linear>,
    pub distances: Arc<Distances>,
}

impl Disentangled {
    /// Rounded to f32 on the way, as transformers does in any precision.
    pub fn scale(&self, head_size: usize) -> f64 {
        1. / f64::from(((head_size * self.terms) as f32).sqrt())
    }
}

/// Cosine and sine of rotary embeddings, `[positions, half a head]` each.
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
        let angle = |place: usize| frequencies.iter().map(move |f| place as f64 * f);
        let angles: Vec<f64> = (0..positions).flat_map(angle).collect();
        Self {
            half,
            cos: angles.iter().map(|angle| angle.cos()).collect(),
            sin: angles.iter().map(|angle| angle.sin()).collect(),
        }
    }

    /// Cosines and sines of one position, `[half]` each.
    pub fn at(&self, position: usize) -> (&[f64], &[f64]) {
        let part = position * self.half..(position + 1) * self.half;
        (&self.cos[part.clone()], &self.sin[part])
    }
}

/// A bucket for each distance from query to key.
#[derive(Debug, PartialEq, Eq)]
pub struct Distances {
    /// Of `-(max - 1)`, …, `max - 1`.
    buckets: Vec<usize>,
}

impl Distances {
    /// For sequences of up to `max_tokens`; `bucket` of query place minus key
    /// place.
    pub fn new(max_tokens: usize, bucket: impl Fn(i64) -> usize) -> Self {
        let reach = max_tokens.saturating_sub(1) as i64;
        Self { buckets: (-reach..=reach).map(bucket).collect() }
    }

    pub fn bucket(&self, query: usize, key: usize) -> usize {
        self.buckets[self.buckets.len() / 2 + query - key]
    }

    /// The least and the largest bucket in a sequence of `tokens`, one beyond.
    pub fn range(&self, tokens: usize) -> Range<usize> {
        let middle = self.buckets.len() / 2;
        let used = &self.buckets[middle + 1 - tokens..middle + tokens];
        let least = used.iter().min().copied().unwrap_or_default();
        least..used.iter().max().map_or(0, |largest| largest + 1)
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
