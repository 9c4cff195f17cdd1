//! Layer normalisation over the last dimension (Ba et al. 2016).

use pulp::{Simd, WithSimd};

use super::Isa;
use super::array::{Array, padded};
use super::lanes::multiply_add;

/// `y = γ x̂ + β` with `x̂ = (x - mean) / sqrt(var + eps)`.
#[derive(Debug)]
pub struct LayerNorm {
    isa: Isa,
    /// `[hidden]`, padded with zeros.
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

/// What the forward pass saves for the gradient.
#[derive(Debug)]
pub struct Normalized {
    /// x̂, `[n, hidden]`
    normalized: Array,
    /// 1 / sqrt(var + eps), `[n]`
    inverse_std: Vec<f32>,
}

impl LayerNorm {
    pub fn new(isa: Isa, weight: &[f32], bias: &[f32], eps: f64) -> Self {
        let pad = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(padded(values.len()), 0.);
            values
        };
        Self { isa, weight: pad(weight), bias: pad(bias), eps: eps as f32 }
    }

    /// `[n, hidden]` → `[n, hidden]`; reuses the memory of `x` for x̂.
    pub fn forward(&self, mut x: Array) -> (Array, Normalized) {
        let mut y = Array::take(x.rows, x.width);
        let mut inverse_std = vec![0.; x.rows];
        let out = Forward { norm: self, x: &mut x, y: &mut y, inverse_std: &mut inverse_std };
        self.isa.run(out);
        (y, Normalized { normalized: x, inverse_std })
    }

    /// With `d = γ ∂y`: `∂x = (d - mean(d) - x̂ mean(d x̂)) / std`.
    pub fn vjp(&self, saved: &Normalized, grad: &Array) -> Array {
        let mut out = Array::take(grad.rows, grad.width);
        self.isa.run(Backward { norm: self, saved, grad, out: &mut out });
        out
    }
}

#[inline(always)]
fn sum<S: Simd>(simd: S, values: &[S::f32s]) -> f32 {
    let total = values.iter().fold(simd.splat_f32s(0.), |sum, value| simd.add_f32s(sum, *value));
    simd.reduce_sum_f32s(total)
}

struct Forward<'a> {
    norm: &'a LayerNorm,
    x: &'a mut Array,
    y: &'a mut Array,
    inverse_std: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (width, count) = (self.x.width, self.x.width as f32);
        let weight = S::as_simd_f32s(&self.norm.weight).0;
        let bias = S::as_simd_f32s(&self.norm.bias).0;
        for (i, inverse_std) in self.inverse_std.iter_mut().enumerate() {
            let row = self.x.row_mut(i);
            let mean = simd.splat_f32s(sum(simd, S::as_simd_f32s(row).0) / count);
            for x in S::as_mut_simd_f32s(row).0 {
                *x = simd.sub_f32s(*x, mean);
            }
            row[width..].fill(0.);
            let lanes = S::as_mut_simd_f32s(row).0;
            let squares =
                lanes.iter().fold(simd.splat_f32s(0.), |sum, x| multiply_add(simd, *x, *x, sum));
            let variance = simd.reduce_sum_f32s(squares) / count;
            *inverse_std = 1. / (variance + self.norm.eps).sqrt();
            let scale = simd.splat_f32s(*inverse_std);
            let y = S::as_mut_simd_f32s(self.y.row_mut(i)).0;
            for (((x, y), weight), bias) in lanes.iter_mut().zip(y).zip(weight).zip(bias) {
                *x = simd.mul_f32s(*x, scale);
                *y = multiply_add(simd, *x, *weight, *bias);
            }
        }
    }
}

struct Backward<'a> {
    norm: &'a LayerNorm,
    saved: &'a Normalized,
    grad: &'a Array,
    out: &'a mut Array,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (width, count) = (self.grad.width, self.grad.width as f32);
        let weight = S::as_simd_f32s(&self.norm.weight).0;
        for i in 0..self.grad.rows {
            let grad = S::as_simd_f32s(self.grad.row(i)).0;
            let normalized = S::as_simd_f32s(self.saved.normalized.row(i)).0;
            let zero = simd.splat_f32s(0.);
            let (mut total, mut along) = (zero, zero);
            for ((grad, x), weight) in grad.iter().zip(normalized).zip(weight) {
                let d = simd.mul_f32s(*grad, *weight);
                total = simd.add_f32s(total, d);
                along = multiply_add(simd, d, *x, along);
            }
            let mean = simd.splat_f32s(simd.reduce_sum_f32s(total) / count);
            let along = simd.splat_f32s(simd.reduce_sum_f32s(along) / count);
            let scale = simd.splat_f32s(self.saved.inverse_std[i]);
            let row = self.out.row_mut(i);
            let out = S::as_mut_simd_f32s(row).0;
            for (((grad, x), weight), out) in grad.iter().zip(normalized).zip(weight).zip(out) {
                let d = simd.sub_f32s(simd.mul_f32s(*grad, *weight), mean);
                *out = simd.mul_f32s(simd.sub_f32s(d, simd.mul_f32s(*x, along)), scale);
            }
            row[width..].fill(0.);
        }
    }
}
