//! `y = x Wᵀ + b`.

use pulp::Simd;

use super::Isa;
use super::array::{Array, padded};
use super::int8::{self, Int8, Rounded};
use super::lanes::load;
use super::matmul::{Finish, Left, Out, Start, Sum, matmul};
use super::panels::Panels;
use super::threads::Threads;
use crate::rows::Precision;

/// The weight, packed once per direction; the original layout is not kept.
#[derive(Debug)]
pub struct Linear {
    /// `[input, out]`
    forward: Panels,
    /// `[out, input]`
    backward: Panels,
    /// `[out]`, padded.
    bias: Vec<f32>,
    /// The forward map for rows of reduced precision.
    int8: Option<int8::Map>,
}

impl Linear {
    /// Packs a row-major weight `[out, input]`.
    pub fn new(isa: Isa, weight: &[f32], bias: &[f32], input: usize) -> Self {
        let out = bias.len();
        let row = |i: usize| &weight[i * input..][..input];
        let mut padded_bias = bias.to_vec();
        padded_bias.resize(padded(out), 0.);
        Self {
            forward: Panels::of_columns(isa, input, out, row),
            backward: Panels::of_rows(isa, out, input, row),
            bias: padded_bias,
            int8: None,
        }
    }

    /// Adds the same map in 8 bits, for forward passes of reduced precision.
    pub fn with_int8(self, int8: Int8, weight: &[f32], input: usize) -> Self {
        let map = int8::Map::new(int8, self.forward.isa, weight, input);
        Self { int8: Some(map), ..self }
    }

    /// Returns the map to some outputs, in full precision.
    pub fn some_outputs(&self, outputs: &[usize]) -> Self {
        let weight: Vec<f32> =
            outputs.iter().flat_map(|&output| self.backward.row(output)).collect();
        let bias: Vec<f32> = outputs.iter().map(|&output| self.bias[output]).collect();
        Self::new(self.backward.isa, &weight, &bias, self.backward.columns)
    }

    fn rounded(&self, x: &Array) -> Rounded {
        Rounded::of(self.forward.isa, x)
    }

    fn reduced(&self, precision: Precision) -> Option<&int8::Map> {
        self.int8.as_ref().filter(|_| precision == Precision::Reduced)
    }

    /// `[n, input]` → `[n, out]`, plus `onto`.
    pub fn forward(
        &self,
        threads: Threads,
        precision: Precision,
        x: &Array,
        onto: Option<&Array>,
    ) -> Array {
        let start = match onto {
            Some(onto) => Start::BiasOnto(&self.bias, onto),
            None => Start::Bias(&self.bias),
        };
        if let Some(map) = self.reduced(precision) {
            return map.forward(threads, &self.rounded(x), start, &Same);
        }
        let mut y = Array::take(x.rows, self.forward.columns);
        matmul(threads, Left::of(x), &self.forward, start, &Out::of(&mut y), None, &Sum);
        y
    }

    /// Applies `finish` to the output, which returns two arrays. The second has the first `seconds`
    /// rows, for the gradient. Reduced precision has none.
    pub fn forward_into_two(
        &self,
        threads: Threads,
        precision: Precision,
        x: &Array,
        seconds: usize,
        finish: &impl Finish,
    ) -> (Array, Array) {
        let start = Start::Bias(&self.bias);
        if let Some(map) = self.reduced(precision) {
            let y = map.forward(threads, &self.rounded(x), start, finish);
            return (y, Array::take(0, self.forward.columns));
        }
        let mut y = Array::take(x.rows, self.forward.columns);
        let mut second = Array::take(seconds.min(x.rows), self.forward.columns);
        let outs = (Out::of(&mut y), Out::of(&mut second));
        let some = (seconds > 0).then_some(&outs.1);
        matmul(threads, Left::of(x), &self.forward, start, &outs.0, some, finish);
        (y, second)
    }

    /// Gradient at the output → at the input, plus `onto`.
    pub fn vjp(&self, threads: Threads, grad: &Array, onto: Option<&Array>) -> Array {
        let start = onto.map_or(Start::Zero, Start::Onto);
        let mut x = Array::take(grad.rows, self.backward.columns);
        matmul(threads, Left::of(grad), &self.backward, start, &Out::of(&mut x), None, &Sum);
        x
    }

    /// Gradient at the output → at the input, times `slope` elementwise.
    pub fn vjp_times(&self, threads: Threads, grad: &Array, slope: &Array) -> Array {
        let mut x = Array::take(grad.rows, self.backward.columns);
        let (left, out) = (Left::of(grad), Out::of(&mut x));
        matmul(threads, left, &self.backward, Start::Zero, &out, None, &Times(slope));
        x
    }
}

/// Keeps the sum.
struct Same;

impl Finish for Same {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, sum: S::f32s) -> (S::f32s, S::f32s) {
        (sum, sum)
    }
}

/// Multiplies the product elementwise with an array of the same shape.
struct Times<'a>(&'a Array);

impl Finish for Times<'_> {
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        sum: S::f32s,
    ) -> (S::f32s, S::f32s) {
        let product = simd.mul_f32s(sum, load::<S>(self.0.row(row), column));
        (product, product)
    }
}
