//! The embedding block, `norm(word + position + type)`, and the points that
//! rows take in it: their own input, or a place on the path from a baseline.

use std::ops::Range;

use super::array::Array;
use super::layer_norm::{LayerNorm, Normalized};
use crate::backend::Tables;
use crate::rows::{Baseline, Layer, Noise, Path, Reduce, Row, Tokens};

#[derive(Debug)]
pub struct Embeddings {
    pub tables: Tables,
    pub norm: LayerNorm,
}

/// Where packed rows stand at their layer.
#[derive(Debug)]
pub struct Embedded {
    norm: Normalized,
    /// `[total, hidden]`
    here: Array,
    /// `x - x'`, `[total, hidden]`; zeros for a row on no path.
    difference: Array,
}

fn entry(table: &[f32], width: usize, id: usize) -> &[f32] {
    &table[id * width..][..width]
}

impl Embeddings {
    fn word(&self, id: u32) -> &[f32] {
        entry(&self.tables.word, self.tables.width, id as usize)
    }

    /// Position and type, added to `x`.
    fn add_place(&self, position: u32, token_type: u32, x: &mut [f32]) {
        let tables = [(&self.tables.position, position), (&self.tables.token_type, token_type)];
        for (table, id) in tables {
            let Some(table) = table else { continue };
            let place = entry(table, self.tables.width, id as usize);
            x.iter_mut().zip(place).for_each(|(x, place)| *x += place);
        }
    }

    /// Packed rows, each at its own point, `[total, hidden]`.
    pub fn forward(&self, rows: &[&Row]) -> (Array, Embedded) {
        let total = rows.iter().map(|row| row.tokens.len()).sum();
        let mut here = Array::zeros(total, self.tables.width);
        let mut difference = Array::zeros(total, self.tables.width);
        let mut start = 0;
        for row in rows {
            self.place_words(row, start, &mut here, &mut difference);
            start += row.tokens.len();
        }
        let mut sum = Array::zeros(total, self.tables.width);
        let mut at = 0;
        for row in rows {
            let Tokens { position_ids, token_type_ids, .. } = &*row.tokens;
            for (position, token_type) in position_ids.iter().zip(token_type_ids) {
                let x = sum.row_mut(at);
                x.copy_from_slice(here.row(at));
                self.add_place(*position, *token_type, x);
                at += 1;
            }
        }
        let (mut output, norm) = self.norm.forward(sum);
        let mut start = 0;
        for row in rows.iter() {
            if row.layer == Layer::Embeddings {
                self.place_in_block(row, start, &mut output, &mut here, &mut difference);
            }
            start += row.tokens.len();
        }
        (output, Embedded { norm, here, difference })
    }

    /// The row's point among the word embeddings. Only a path at that layer
    /// leaves the input.
    fn place_words(&self, row: &Row, start: usize, here: &mut Array, difference: &mut Array) {
        let path = row.path.as_ref().filter(|_| row.layer == Layer::WordEmbeddings);
        let moved = path.map_or(0, |path| path.moved(row.tokens.len()));
        let noisy = path.and_then(|path| Some(self.noisy(path.noise?, &row.tokens, moved)));
        for (i, &id) in row.tokens.input_ids.iter().enumerate() {
            let (word, here) = (self.word(id), here.row_mut(start + i));
            let noisy = noisy.as_ref().filter(|_| i < moved);
            let input = noisy.map_or(word, |noisy| entry(noisy, word.len(), i));
            match path {
                None => here[..input.len()].copy_from_slice(input),
                Some(path) => {
                    let baseline = match &path.baseline {
                        _ if i >= moved => Some(input),
                        Baseline::Ids(ids) => Some(self.word(ids[i])),
                        Baseline::Zero => None,
                    };
                    walk(input, baseline, path.alpha, here, difference.row_mut(start + i));
                }
            }
        }
    }

    /// The first `count` of the row's words with noise, `[count, hidden]`.
    fn noisy(&self, noise: Noise, tokens: &Tokens, count: usize) -> Vec<f32> {
        let words = tokens.input_ids[..count].iter().flat_map(|&id| self.word(id));
        let words = words.map(|&x| f64::from(x));
        words.clone().zip(noise.draw(words)).map(|(x, noise)| (x + noise) as f32).collect()
    }

    /// The row's point among the block's outputs, which it replaces.
    fn place_in_block(
        &self,
        row: &Row,
        start: usize,
        output: &mut Array,
        here: &mut Array,
        difference: &mut Array,
    ) {
        let baseline = row.path.as_ref().and_then(|path| self.block_baseline(path, &row.tokens));
        for i in 0..row.tokens.len() {
            let at = start + i;
            if let Some(path) = &row.path {
                let baseline = match i < path.moved(row.tokens.len()) {
                    true => baseline.as_ref().map(|baseline| baseline.row(i)),
                    false => Some(output.row(at)),
                };
                walk(
                    output.row(at),
                    baseline,
                    path.alpha,
                    here.row_mut(at),
                    difference.row_mut(at),
                );
                output.row_mut(at).copy_from_slice(here.row(at));
            } else {
                here.row_mut(at).copy_from_slice(output.row(at));
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
            self.add_place(positions[i], tokens.token_type_ids[i], x);
        }
        Some(self.norm.forward(sum).0)
    }

    /// Gradient at the block's output → at the word embeddings.
    pub fn vjp(&self, embedded: &Embedded, grad: &Array) -> Array {
        self.norm.vjp(&embedded.norm, grad)
    }
}

/// `difference = x - x'`, `here = x' + alpha · difference`; no baseline is 0.
fn walk(
    input: &[f32],
    baseline: Option<&[f32]>,
    alpha: f64,
    here: &mut [f32],
    difference: &mut [f32],
) {
    let alpha = alpha as f32;
    for (i, &x) in input.iter().enumerate() {
        let from = baseline.map_or(0., |baseline| baseline[i]);
        difference[i] = x - from;
        here[i] = from + alpha * (x - from);
    }
}

impl Embedded {
    /// The gradient at `tokens`, `[tokens, hidden]`, as one number a token or, if
    /// it is kept, as it is.
    pub fn reduce(&self, tokens: Range<usize>, grad: &Array, reduce: Reduce) -> Vec<f64> {
        let scores = |at: usize| {
            let grad = &grad.row(at)[..grad.width];
            vec![match reduce {
                Reduce::L1 => sum(grad, grad, |g, _| g.abs()),
                Reduce::L2 => sum(grad, grad, |g, _| g * g).sqrt(),
                Reduce::Mean => sum(grad, grad, |g, _| g.abs()) / grad.len() as f64,
                Reduce::TimesInput => sum(grad, self.here.row(at), |g, x| g * x),
                Reduce::TimesDifference => sum(grad, self.difference.row(at), |g, x| g * x),
                Reduce::Keep => return grad.iter().copied().map(f64::from).collect(),
            }]
        };
        tokens.flat_map(scores).collect()
    }
}

/// `Σ term(a, b)` in f64, in eight sums side by side.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(f64::from(*a), f64::from(*b));
        }
    }
    sums.iter().sum()
}
