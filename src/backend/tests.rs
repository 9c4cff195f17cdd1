//! The serving back end against the reference in f64, block by block, on every
//! instruction set: sizes that fill no line, no tile and no panel, and more than
//! one part of the inner dimension. The reference is held against finite
//! differences beside its code.

use candle_core::{DType, Device};

use super::candle::Candle;
use super::cpu::{Cpu, Isa};
use super::{Backend, Heads, Span};
use crate::blocks::Activation;

const EXACT: Candle = Candle { dtype: DType::F64, device: Device::Cpu };

type Matrix = Vec<Vec<f64>>;

/// Reproducible numbers between -1 and 1 that f32 holds exactly.
fn matrix(rows: usize, width: usize, seed: usize) -> Matrix {
    let number = |i: usize, j: usize| {
        let hash = (i * 7_919 + j * 104_729 + seed * 1_299_709 + 17).wrapping_mul(2_654_435_761);
        ((hash >> 8) % 2_001) as f64 / 1_000. - 1.
    };
    let number = |i, j| f64::from(number(i, j) as f32);
    (0..rows).map(|i| (0..width).map(|j| number(i, j)).collect()).collect()
}

fn flat(matrix: &Matrix) -> Vec<f32> {
    matrix.iter().flatten().map(|&number| number as f32).collect()
}

/// Results of one computation on one back end, each a matrix.
trait Computation {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error>;
}

fn run<B: Backend>(b: &B, computation: &impl Computation) -> Vec<Matrix> {
    computation.run(b).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Asserts that all paths agree with the reference to rounding.
fn check(what: &str, computation: &impl Computation) {
    let exact = run(&EXACT, computation);
    for isa in Isa::available() {
        let ours = run(&Cpu::new(isa), computation);
        for (number, (ours, exact)) in ours.iter().zip(&exact).enumerate() {
            assert_eq!((ours.len(), ours[0].len()), (exact.len(), exact[0].len()), "{what}");
            let size = exact.iter().flatten().fold(0.1, |max: f64, x| max.max(x.abs()));
            let pairs = ours.iter().flatten().zip(exact.iter().flatten());
            let gap = pairs.map(|(a, b)| (a - b).abs()).fold(0., f64::max);
            assert!(gap <= 3e-6 * size, "{what} {number} on {}: {gap} of {size}", isa.name());
        }
    }
}

struct Linear {
    rows: usize,
    input: usize,
    out: usize,
    activation: Activation,
}

impl Computation for Linear {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let &Self { rows, input, out, activation } = self;
        let scale = |m: Matrix| -> Matrix {
            let by = 1. / (input as f64).sqrt();
            m.into_iter()
                .map(|row| row.iter().map(|x| f64::from((x * by) as f32)).collect())
                .collect()
        };
        let weight = flat(&scale(matrix(out, input, 1)));
        let map = b.place_linear(&weight, &flat(&matrix(1, out, 2)), input)?;
        let x = b.array(&matrix(rows, input, 3))?;
        let (onto, grad) = (b.array(&matrix(rows, out, 4))?, b.array(&matrix(rows, out, 5))?);
        let (active, slope) = b.linear_activated(&map, activation, &x)?;
        // Gradients of the first rows only, as a walk back may ask for.
        let fewer = b.array(&matrix(rows.div_ceil(2), input, 6))?;
        let back = b.place_linear(&flat(&scale(matrix(input, out, 7))), &vec![0.; input], out)?;
        let through = b.linear_vjp_activated(&back, &slope, &fewer)?;
        Ok(vec![
            b.rows(&b.linear(&map, &x, None)?)?,
            b.rows(&b.linear(&map, &x, Some(&onto))?)?,
            b.rows(&b.linear_vjp(&map, &grad, None)?)?,
            b.rows(&b.linear_vjp(&map, &grad, Some(&x))?)?,
            b.rows(&active)?,
            b.rows(&through)?,
        ])
    }
}

#[test]
fn linear_maps_and_activations() {
    let sizes = [(1, 1, 1), (2, 7, 5), (5, 26, 39), (13, 33, 16), (29, 300, 41), (40, 17, 530)];
    for (rows, input, out) in sizes {
        for name in ["gelu", "gelu_new", "relu", "silu", "tanh"] {
            let activation = Activation::from_name(name).unwrap();
            let what = format!("{name} {rows} x {input} to {out}");
            check(&what, &Linear { rows, input, out, activation });
        }
    }
}

struct LayerNorm {
    rows: usize,
    hidden: usize,
}

impl Computation for LayerNorm {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let &Self { rows, hidden } = self;
        let (weight, bias) = (flat(&matrix(1, hidden, 1)), flat(&matrix(1, hidden, 2)));
        let norm = b.place_layer_norm(&weight, &bias, 1e-12)?;
        let (y, saved) = b.layer_norm(&norm, b.array(&matrix(rows, hidden, 3))?)?;
        let grad = b.array(&matrix(rows.div_ceil(2), hidden, 4))?;
        Ok(vec![b.rows(&y)?, b.rows(&b.layer_norm_vjp(&norm, &saved, &grad)?)?])
    }
}

#[test]
fn layer_norms() {
    for (rows, hidden) in [(1, 2), (3, 12), (5, 26), (4, 64), (7, 312)] {
        check(&format!("norm {rows} x {hidden}"), &LayerNorm { rows, hidden });
    }
}

/// Rows of these lengths, wholly or for their first tokens.
struct Attention {
    lengths: Vec<usize>,
    heads: Heads,
    only_first: bool,
}

impl Attention {
    fn spans(&self) -> Vec<Span> {
        let mut end = 0;
        let span = |(i, &tokens): (usize, &usize)| {
            let keys = end..end + tokens;
            end += tokens;
            Span { queries: if self.only_first { i..i + 1 } else { keys.clone() }, keys }
        };
        self.lengths.iter().enumerate().map(span).collect()
    }
}

impl Computation for Attention {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let spans = self.spans();
        let hidden = self.heads.count * self.heads.size;
        let (keys, queries) = (spans.last().unwrap().keys.end, spans.last().unwrap().queries.end);
        let qkv = [
            b.array(&matrix(queries, hidden, 1))?,
            b.array(&matrix(keys, hidden, 2))?,
            b.array(&matrix(keys, hidden, 3))?,
        ];
        let (context, saved) = b.attention(self.heads, qkv, &spans)?;
        let first = &spans[..spans.len().div_ceil(2)];
        let grad = b.array(&matrix(first.last().unwrap().queries.end, hidden, 4))?;
        let [query, key, value] = b.attention_vjp(self.heads, &saved, first, &grad)?;
        let weights = b.attention_weights(&saved, spans.len() - 1)?;
        let results = [&context, &query, &key, &value].map(|array| b.rows(array));
        let mut results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        results.push(vec![weights.weights]);
        Ok(results)
    }
}

#[test]
fn attention_of_rows_of_any_length() {
    for (count, size) in [(1, 1), (2, 13), (3, 16), (2, 26), (4, 32), (1, 64)] {
        for only_first in [false, true] {
            let lengths = vec![2, 2, 5, 16, 17, 1, 33, 64, 130];
            let heads = Heads { count, size };
            let what = format!("attention {count} x {size}, only first {only_first}");
            check(&what, &Attention { lengths, heads, only_first });
        }
    }
}
