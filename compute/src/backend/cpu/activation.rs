//! Activations and their derivatives as matmul epilogues.

use pulp::Simd;

use super::array::Array;
use super::lanes::{multiply_add, normal, sigmoid};
use super::linear::Linear;
use super::matmul::Finish;
use super::threads::Threads;
use crate::blocks::Activation;
use crate::rows::Precision;

/// Returns `act(x Wᵀ + b)`, `[n, out]`, and the activation's derivative in the first `slopes` rows.
pub fn linear_activated(
    threads: Threads,
    precision: Precision,
    map: &Linear,
    activation: Activation,
    x: &Array,
    slopes: usize,
) -> (Array, Array) {
    match activation {
        Activation::Gelu => map.forward_into_two(threads, precision, x, slopes, &Gelu),
        Activation::GeluTanh => map.forward_into_two(threads, precision, x, slopes, &GeluTanh),
        Activation::GeluQuick => map.forward_into_two(threads, precision, x, slopes, &GeluQuick),
        Activation::Relu => map.forward_into_two(threads, precision, x, slopes, &Relu),
        Activation::Silu => map.forward_into_two(threads, precision, x, slopes, &Silu),
        Activation::Sigmoid => map.forward_into_two(threads, precision, x, slopes, &Sigmoid),
        Activation::Tanh => map.forward_into_two(threads, precision, x, slopes, &Tanh),
    }
}

/// Defines an activation as a matmul epilogue that returns its value and derivative.
macro_rules! activation {
    ($(#[$doc:meta])* $name:ident, $value_and_slope:expr) => {
        $(#[$doc])*
        struct $name;

        impl Finish for $name {
            #[inline(always)]
            fn finish<S: Simd>(
                &self,
                simd: S,
                _row: usize,
                _column: usize,
                sum: S::f32s,
            ) -> (S::f32s, S::f32s) {
                $value_and_slope(simd, sum)
            }
        }
    };
}

activation!(
    /// `x Φ(x)`; slope `Φ(x) + x φ(x)`.
    Gelu,
    gelu
);
activation!(
    /// With `σ` the logistic function of `2 s (x + c x³)`: `x σ`; slope
    /// `σ + 2 s x σ (1 - σ) (1 + 3 c x²)`.
    GeluTanh,
    gelu_tanh
);
activation!(
    /// With `σ` the logistic function of `c x`: `x σ`; slope `σ + c x σ (1 - σ)`.
    GeluQuick,
    gelu_quick
);
activation!(
    /// `max(x, 0)`; slope 1 above 0, else 0.
    Relu,
    relu
);
activation!(
    /// With `σ` the logistic function of x: `x σ`; slope `σ (1 + x (1 - σ))`.
    Silu,
    silu
);
activation!(
    /// `σ`; slope `σ (1 - σ)`.
    Sigmoid,
    logistic
);
activation!(
    /// `tanh x`; slope `1 - tanh² x`.
    Tanh,
    tanh
);

#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (cumulative, density) = normal(simd, x);
    (simd.mul_f32s(x, cumulative), multiply_add(simd, x, density, cumulative))
}

#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let twice_slope = simd.splat_f32s(2. * Activation::TANH_SLOPE as f32);
    let cubic = simd.splat_f32s(Activation::TANH_CUBIC as f32);
    let one = simd.splat_f32s(1.);
    let square = simd.mul_f32s(x, x);
    let bend = simd.mul_f32s(cubic, square);
    let inner = simd.mul_f32s(simd.mul_f32s(twice_slope, x), simd.add_f32s(one, bend));
    let sigma = sigmoid(simd, inner);
    let value = simd.mul_f32s(x, sigma);
    let inner_slope = multiply_add(simd, bend, simd.splat_f32s(3.), one);
    let change = simd.mul_f32s(simd.mul_f32s(twice_slope, inner_slope), simd.sub_f32s(one, sigma));
    (value, multiply_add(simd, value, change, sigma))
}

#[inline(always)]
fn gelu_quick<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let scaled = simd.mul_f32s(x, simd.splat_f32s(Activation::QUICK_SLOPE as f32));
    let sigma = sigmoid(simd, scaled);
    let bend = simd.mul_f32s(scaled, simd.sub_f32s(simd.splat_f32s(1.), sigma));
    (simd.mul_f32s(x, sigma), multiply_add(simd, sigma, bend, sigma))
}

#[inline(always)]
fn relu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let zero = simd.splat_f32s(0.);
    let positive = simd.less_than_f32s(zero, x);
    (simd.max_f32s(x, zero), simd.select_f32s(positive, simd.splat_f32s(1.), zero))
}

#[inline(always)]
fn silu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.);
    let sigma = sigmoid(simd, x);
    let bend = multiply_add(simd, x, simd.sub_f32s(one, sigma), one);
    (simd.mul_f32s(x, sigma), simd.mul_f32s(sigma, bend))
}

#[inline(always)]
fn logistic<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let sigma = sigmoid(simd, x);
    (sigma, simd.mul_f32s(sigma, simd.sub_f32s(simd.splat_f32s(1.), sigma)))
}

/// Uses the scalar function: tanh mostly occurs in heads, on one token per row.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let mut value = x;
    for number in bytemuck::cast_slice_mut::<_, f32>(std::slice::from_mut(&mut value)) {
        *number = number.tanh();
    }
    let one = simd.splat_f32s(1.);
    (value, simd.sub_f32s(one, simd.mul_f32s(value, value)))
}
