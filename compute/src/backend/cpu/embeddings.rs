//! The embedding block, `norm(word + position + type)`, evaluated at each row's point: its own
//! input or a point on the path from a baseline.

use std::ops::Range;

use super::array::Array;
use super::layer_norm::{LayerNorm, Normalized};
use crate::backend::Tables;
use crate::rows::{Baseline, Layer, Noise, Norm, Path, Reduce, Row, Tokens};

#[derive(Debug)]
pub struct Embeddings {
    pub tables: Tables,
    pub norm: LayerNorm,
}

/// What the forward pass saves for the gradient and its reduction.
#[derive(Debug)]
pub struct Embedded {
    norm: Normalized,
    /// Each row's point at its layer, `[total, hidden]`.
    point: Array,
    /// `x - x'`, `[total, hidden]`; zeros for a row without a path.
    difference: Array,
}

fn table_row(table: &[f32], width: usize, id: usize) -> &[f32] {
    &table[id * width..][..width]
}

impl Embeddings {
    fn word(&self, id: u32) -> &[f32] {
        table_row(&self.tables.word, self.tables.width, id as usize)
    }

    /// Adds the position and type embeddings to `x`.
    fn add_position(&self, position: u32, token_type: u32, x: &mut [f32]) {
        let tables = [(&self.tables.position, position), (&self.tables.token_type, token_type)];
        for (table, id) in tables {
            let Some(table) = table else { continue };
            let embedding = table_row(table, self.tables.width, id as usize);
            x.iter_mut().zip(embedding).for_each(|(x, embedding)| *x += embedding);
        }
    }

    /// Runs the block on packed rows, each at its point, `[total, hidden]`.
    pub fn forward(&self, rows: &[&Row]) -> (Array, Embedded) {
        let total = rows.iter().map(|row| row.tokens.len()).sum();
        let mut point = Array::zeros(total, self.tables.width);
        let mut difference = Array::zeros(total, self.tables.width);
        let mut start = 0;
        for row in rows {
            self.embed_words(row, start, &mut point, &mut difference);
            start += row.tokens.len();
        }
        let mut sum = Array::zeros(total, self.tables.width);
        let mut index = 0;
        for row in rows {
            let Tokens { position_ids, token_type_ids, .. } = &*row.tokens;
            for (position, token_type) in position_ids.iter().zip(token_type_ids) {
                let x = sum.row_mut(index);
                x.copy_from_slice(point.row(index));
                self.add_position(*position, *token_type, x);
                index += 1;
            }
        }
        let (mut output, norm) = self.norm.forward(sum);
        let mut start = 0;
        for row in rows.iter() {
            if row.layer == Layer::Embeddings {
                self.replace_outputs(row, start, &mut output, &mut point, &mut difference);
            }
            start += row.tokens.len();
        }
        (output, Embedded { norm, point, difference })
    }

    /// Writes the row's point at the word embeddings, which differs from the input only if the
    /// path is at that layer.
    fn embed_words(&self, row: &Row, start: usize, point: &mut Array, difference: &mut Array) {
        let path = row.path.as_ref().filter(|_| row.layer == Layer::WordEmbeddings);
        let moved = path.map_or(0, |path| path.moved(row.tokens.len()));
        let noisy = path.and_then(|path| Some(self.noisy(path.noise?, &row.tokens, moved)));
        for (i, &id) in row.tokens.input_ids.iter().enumerate() {
            let (word, point) = (self.word(id), point.row_mut(start + i));
            let noisy = noisy.as_ref().filter(|_| i < moved);
            let input = noisy.map_or(word, |noisy| table_row(noisy, word.len(), i));
            match path {
                None => point[..input.len()].copy_from_slice(input),
                Some(path) => {
                    let baseline = match &path.baseline {
                        _ if i >= moved => Some(input),
                        Baseline::Ids(ids) => Some(self.word(ids[i])),
                        Baseline::Zero | Baseline::States(_) => None,
                    };
                    interpolate(input, baseline, path.alpha, point, difference.row_mut(start + i));
                }
            }
        }
    }

    /// Returns the first `count` word embeddings of the row with noise, `[count, hidden]`.
    fn noisy(&self, noise: Noise, tokens: &Tokens, count: usize) -> Vec<f32> {
        let words = tokens.input_ids[..count].iter().flat_map(|&id| self.word(id));
        let words = words.map(|&x| f64::from(x));
        words.clone().zip(noise.draw(words)).map(|(x, noise)| (x + noise) as f32).collect()
    }

    /// Replaces the row's block outputs by its point there.
    fn replace_outputs(
        &self,
        row: &Row,
        start: usize,
        output: &mut Array,
        point: &mut Array,
        difference: &mut Array,
    ) {
        let baseline = row.path.as_ref().and_then(|path| self.block_baseline(path, &row.tokens));
        for i in 0..row.tokens.len() {
            let index = start + i;
            if let Some(path) = &row.path {
                let baseline = match i < path.moved(row.tokens.len()) {
                    true => baseline.as_ref().map(|baseline| baseline.row(i)),
                    false => Some(output.row(index)),
                };
                interpolate(
                    output.row(index),
                    baseline,
                    path.alpha,
                    point.row_mut(index),
                    difference.row_mut(index),
                );
                output.row_mut(index).copy_from_slice(point.row(index));
            } else {
                point.row_mut(index).copy_from_slice(output.row(index));
            }
        }
    }

    fn block_baseline(&self, path: &Path, tokens: &Tokens) -> Option<Array> {
        let Baseline::Ids(ids) = &path.baseline else { return None };
        let mut sum = Array::zeros(ids.len(), self.tables.width);
        let positions = self.tables.numbering.positions(ids);
        for (i, &id) in ids.iter().enumerate() {
            let x = sum.row_mut(i);
            x[..self.tables.width].copy_from_slice(self.word(id));
            self.add_position(positions[i], tokens.token_type_ids[i], x);
        }
        Some(self.norm.forward(sum).0)
    }

    /// Gradient at the block's output → at the word embeddings.
    pub fn vjp(&self, embedded: &Embedded, grad: &Array) -> Array {
        self.norm.vjp(&embedded.norm, grad)
    }
}

/// Writes `difference = x - x'` and `point = x' + alpha · difference`, which is exactly x at the end;
/// no baseline means zeros.
fn interpolate(
    input: &[f32],
    baseline: Option<&[f32]>,
    alpha: f64,
    point: &mut [f32],
    difference: &mut [f32],
) {
    let alpha = alpha as f32;
    for (i, &x) in input.iter().enumerate() {
        let base = baseline.map_or(0., |baseline| baseline[i]);
        difference[i] = x - base;
        point[i] = if alpha == 1. { x } else { base + alpha * (x - base) };
    }
}

impl Embedded {
    /// Reduces the gradient at `tokens`, `[tokens, hidden]`, to one number per token unless it is
    /// kept.
    pub fn reduce(&self, tokens: Range<usize>, grad: &Array, reduce: Reduce) -> Vec<f64> {
        let scores = |index: usize| {
            let grad = &grad.row(index)[..grad.width];
            vec![match reduce {
                Reduce::Norm(Norm::L1) => sum(grad, grad, |g, _| g.abs()),
                Reduce::Norm(Norm::L2) => sum(grad, grad, |g, _| g * g).sqrt(),
                Reduce::Norm(Norm::Mean) => sum(grad, grad, |g, _| g.abs()) / grad.len() as f64,
                Reduce::TimesInput => sum(grad, self.point.row(index), |g, x| g * x),
                Reduce::TimesDifference => sum(grad, self.difference.row(index), |g, x| g * x),
                Reduce::Keep => return grad.iter().copied().map(f64::from).collect(),
            }]
        };
        tokens.flat_map(scores).collect()
    }
}

/// Returns `Σ term(a, b)` in f64, accumulated in eight lanes.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(f64::from(*a), f64::from(*b));
        }
    }
    sums.iter().sum()
}
