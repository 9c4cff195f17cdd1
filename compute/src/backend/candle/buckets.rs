//! Spans of similar lengths, which run as one batch. The size of a bucket follows from the length
//! of the span alone, so a row is computed in the same shape whatever shares its pass.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Result, Tensor};

use super::kernels::{self, Sizes};
use super::prepared::AllPrepared;
use super::transfer::upload;
use crate::backend::Span;

/// Returns the size of the bucket for this many tokens: a multiple of 8, at most half as many
/// again from 17 tokens on. A single token, the one that a classifier reads, stays single.
pub fn padded(tokens: usize) -> usize {
    let power = tokens.next_power_of_two();
    match tokens {
        0 | 1 => 1,
        2..=16 => tokens.next_multiple_of(8),
        _ if tokens <= power / 4 * 3 => power / 4 * 3,
        _ => power,
    }
}

/// What the spans of a bucket have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    pub queries: usize,
    pub keys: usize,
    /// Whether the attention weights are needed after the forward pass.
    pub kept: bool,
}

impl Shape {
    fn of(span: &Span) -> Self {
        let (queries, keys) = (padded(span.queries.len()), padded(span.keys.len()));
        Self { queries, keys, kept: span.kept }
    }
}

/// The packed rows that a bucket reads, `[spans · size]`. Padding repeats a row of the span, so
/// that it holds finite numbers.
#[derive(Debug)]
enum Rows {
    /// Neither padded nor out of order.
    Range(usize, usize),
    Index(Tensor),
}

impl Rows {
    fn new(indices: Vec<i64>, device: &Device) -> Result<Self> {
        let start = indices.first().copied().unwrap_or_default();
        match indices.iter().zip(start..).all(|(&index, next)| index == next) {
            true => Ok(Self::Range(start as usize, indices.len())),
            false => Ok(Self::Index(Tensor::new(indices, device)?)),
        }
    }

    fn take(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Range(start, len) => x.narrow(0, *start, *len),
            Self::Index(indices) => kernels::rows(x, indices),
        }
    }
}

/// Spans of one shape.
#[derive(Debug)]
pub struct Bucket {
    pub shape: Shape,
    /// The indices of the spans, ascending.
    pub spans: Vec<usize>,
    queries: Rows,
    keys: Rows,
    /// What is not padding.
    pub sizes: Sizes,
    /// The position in its row of each query, `[groups, queries]`, where all spans are one group if
    /// their positions are equal.
    pub positions: Vec<usize>,
    /// The position in its row of each key, `[keys]`.
    pub key_positions: Vec<usize>,
    /// What the relation between positions has prepared for this bucket.
    pub prepared: AllPrepared,
}

impl Bucket {
    fn new(shape: Shape, indices: Vec<usize>, spans: &[Span], like: &Tensor) -> Result<Self> {
        let own = || indices.iter().map(|&index| &spans[index]);
        let padded = |range: &Range<usize>, size: usize| {
            let (start, len) = (range.start, range.len());
            (0..size).map(move |i| (start + i.min(len - 1)) as i64)
        };
        let queries = own().flat_map(|span| padded(&span.queries, shape.queries)).collect();
        let keys = own().flat_map(|span| padded(&span.keys, shape.keys)).collect();
        let sizes = own().flat_map(|span| [span.queries.len() as f64, span.keys.len() as f64]);
        let sizes: Vec<f64> = sizes.collect();
        // A position that occurs, so that tables need not be longer than the longest row.
        let longest = own().map(|span| span.keys.len()).max().unwrap_or(1);
        let whole = own().all(|span| span.chosen.is_none());
        let positions = |span: &Span| -> Vec<usize> {
            let last = if whole { longest } else { span.queries.len() } - 1;
            (0..shape.queries).map(|i| span.position(i.min(last))).collect()
        };
        let mut positions: Vec<Vec<usize>> = own().map(positions).collect();
        if positions.windows(2).all(|pair| pair[0] == pair[1]) {
            positions.truncate(1);
        }
        Ok(Self {
            shape,
            queries: Rows::new(queries, like.device())?,
            keys: Rows::new(keys, like.device())?,
            sizes: upload(&sizes, &[indices.len(), 2], like)?,
            positions: positions.concat(),
            key_positions: (0..shape.keys).map(|i| i.min(longest - 1)).collect(),
            spans: indices,
            prepared: AllPrepared::default(),
        })
    }

    /// Returns the packed queries of the bucket, `[spans · queries, width]`.
    pub fn queries(&self, x: &Tensor) -> Result<Tensor> {
        self.queries.take(x)
    }

    /// Returns the packed keys of the bucket, `[spans · keys, width]`.
    pub fn keys(&self, x: &Tensor) -> Result<Tensor> {
        self.keys.take(x)
    }

    /// Returns the rows of `x` of this bucket's spans, where `x` has one row per span.
    pub fn of_spans(&self, x: &Tensor) -> Result<Tensor> {
        let spans = self.spans.iter().map(|&span| span as i64).collect();
        Rows::new(spans, x.device())?.take(x)
    }

    /// Returns the number of different lists of positions.
    pub fn groups(&self) -> usize {
        self.positions.len() / self.shape.queries
    }
}

/// The buckets of a pass's spans.
#[derive(Debug)]
pub struct Plan {
    pub buckets: Vec<Bucket>,
    /// Whether each row has as many queries as keys, all of its tokens.
    pub every_token_queries: bool,
    /// Where each packed query and key is among those of all buckets; `None` if in the same order.
    queries_back: Option<Tensor>,
    keys_back: Option<Tensor>,
}

impl Plan {
    /// Plans spans for arrays like `like`. Every span has queries.
    pub fn new(spans: &[Span], like: &Tensor) -> Result<Self> {
        let mut by_shape: BTreeMap<Shape, Vec<usize>> = BTreeMap::new();
        for (index, span) in spans.iter().enumerate() {
            by_shape.entry(Shape::of(span)).or_default().push(index);
        }
        let (mut queries, mut keys) =
            (Back::of(spans, |s| &s.queries), Back::of(spans, |s| &s.keys));
        for (shape, indices) in &by_shape {
            for &index in indices {
                queries.place(&spans[index].queries, shape.queries);
                keys.place(&spans[index].keys, shape.keys);
            }
        }
        let bucket = |(shape, indices)| Bucket::new(shape, indices, spans, like);
        let queries_are_keys = |span: &Span| span.chosen.is_none() && span.queries == span.keys;
        Ok(Self {
            every_token_queries: spans.iter().all(queries_are_keys),
            buckets: by_shape.into_iter().map(bucket).collect::<Result<_>>()?,
            queries_back: queries.tensor(like.device())?,
            keys_back: keys.tensor(like.device())?,
        })
    }

    /// Returns the buckets' queries in packed order: `[spans · queries, width]` each → `[queries of
    /// all spans, width]`.
    pub fn pack_queries(&self, buckets: &[Tensor]) -> Result<Tensor> {
        pack(buckets, self.queries_back.as_ref())
    }

    /// Returns what buckets have one row per span of, in the order of the spans.
    pub fn pack_spans(&self, buckets: &[Tensor]) -> Result<Tensor> {
        let spans: Vec<usize> = self.buckets.iter().flat_map(|b| &b.spans).copied().collect();
        let mut back = Back { indices: vec![0; spans.len()], placed: 0 };
        spans.into_iter().for_each(|span| back.place(&(span..span + 1), 1));
        pack(buckets, back.tensor(buckets[0].device())?.as_ref())
    }

    /// Returns the buckets' keys in packed order.
    pub fn pack_keys(&self, buckets: &[Tensor]) -> Result<Tensor> {
        pack(buckets, self.keys_back.as_ref())
    }
}

fn pack(buckets: &[Tensor], back: Option<&Tensor>) -> Result<Tensor> {
    let all = match buckets {
        [only] => only.clone(),
        several => Tensor::cat(several, 0)?,
    };
    match back {
        Some(indices) => kernels::rows(&all, indices),
        None => Ok(all),
    }
}

/// The way back from buckets to packed rows.
struct Back {
    indices: Vec<i64>,
    placed: usize,
}

impl Back {
    fn of(spans: &[Span], range: impl Fn(&Span) -> &Range<usize>) -> Self {
        let total = spans.iter().map(|span| range(span).end).max().unwrap_or_default();
        Self { indices: vec![0; total], placed: 0 }
    }

    fn place(&mut self, range: &Range<usize>, size: usize) {
        for (i, packed) in range.clone().enumerate() {
            self.indices[packed] = (self.placed + i) as i64;
        }
        self.placed += size;
    }

    fn tensor(self, device: &Device) -> Result<Option<Tensor>> {
        let in_order = self.placed == self.indices.len()
            && self.indices.iter().zip(0..).all(|(&index, packed)| index == packed);
        (!in_order).then(|| Tensor::new(self.indices, device)).transpose()
    }
}

/// Plans in use: a pass needs one for its forward passes, one for the last layer, and those of the
/// rows with gradients.
const PLANS: usize = 4;

/// The plans of the last passes, so that every layer uses the same one.
#[derive(Debug, Default)]
pub struct Plans(Mutex<Vec<(Vec<Span>, Arc<Plan>)>>);

impl Plans {
    pub fn of(&self, spans: &[Span], like: &Tensor) -> Result<Arc<Plan>> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(known, _)| known == spans) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::new(spans, like)?);
        plans.truncate(PLANS - 1);
        plans.insert(0, (spans.to_vec(), Arc::clone(&plan)));
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_at_most_half_as_large_again() {
        let sizes = [1, 2, 8, 9, 16, 17, 24, 25, 33, 49, 65, 97, 129, 385, 512].map(padded);
        assert_eq!(sizes, [1, 8, 8, 16, 16, 24, 24, 32, 48, 64, 96, 128, 192, 512, 512]);
        for tokens in 17..5_000 {
            let size = padded(tokens);
            assert!(
                tokens <= size && 2 * size < 3 * tokens && size.is_multiple_of(8),
                "{tokens}: {size}"
            );
        }
    }

    #[test]
    fn rows_come_back_in_packed_order() {
        let lengths = [3, 20, 1, 8, 17, 20];
        let mut end = 0;
        let spans: Vec<Span> = lengths
            .iter()
            .map(|length| {
                end += length;
                Span::whole(end - length..end)
            })
            .collect();
        let x = Tensor::arange(0f64, end as f64, &Device::Cpu).unwrap().reshape((end, 1)).unwrap();
        let plan = Plan::new(&spans, &x).unwrap();
        let shapes: Vec<_> = plan.buckets.iter().map(|b| (b.shape.keys, b.spans.clone())).collect();
        assert_eq!(shapes, [(1, vec![2]), (8, vec![0, 3]), (24, vec![1, 4, 5])]);
        let taken: Vec<Tensor> = plan.buckets.iter().map(|b| b.keys(&x).unwrap()).collect();
        let back = plan.pack_keys(&taken).unwrap();
        assert_eq!(back.to_vec2::<f64>().unwrap(), x.to_vec2::<f64>().unwrap());
    }
}
