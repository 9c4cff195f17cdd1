//! Softmax over the keys of each query, and its gradient.

use pulp::Simd;

use super::view::Layout;
use crate::backend::cpu::lanes::{exp, multiply_add};

/// Replaces scores by `softmax(scale · scores)`, per query, in place.
#[inline(always)]
pub fn softmax<S: Simd>(simd: S, scores: &mut [f32], layout: Layout, scale: f32) {
    let scale = simd.splat_f32s(scale);
    for row in scores.chunks_exact_mut(layout.stride) {
        // The exponential of the padding is 0.
        row[layout.keys..].fill(f32::NEG_INFINITY);
        let row = S::as_mut_simd_f32s(row).0;
        let max = row.iter().fold(row[0], |max, score| simd.max_f32s(max, *score));
        let max = simd.splat_f32s(simd.reduce_max_f32s(max));
        let mut sum = simd.splat_f32s(0.);
        for score in &mut *row {
            *score = exp(simd, simd.mul_f32s(simd.sub_f32s(*score, max), scale));
            sum = simd.add_f32s(sum, *score);
        }
        let inverse = simd.splat_f32s(1. / simd.reduce_sum_f32s(sum));
        for weight in row {
            *weight = simd.mul_f32s(*weight, inverse);
        }
    }
}

/// Gradient at the weights → at the query-key products, in place.
#[inline(always)]
pub fn softmax_vjp<S: Simd>(
    simd: S,
    weights: &[f32],
    grad: &mut [f32],
    layout: Layout,
    scale: f32,
) {
    let scale = simd.splat_f32s(scale);
    let rows = grad.chunks_exact_mut(layout.stride);
    for (grad, weights) in rows.zip(weights.chunks_exact(layout.stride)) {
        let (grad, weights) = (S::as_mut_simd_f32s(grad).0, S::as_simd_f32s(weights).0);
        let along = grad.iter().zip(weights).fold(simd.splat_f32s(0.), |sum, (grad, weight)| {
            multiply_add(simd, *grad, *weight, sum)
        });
        let along = simd.splat_f32s(simd.reduce_sum_f32s(along));
        for (grad, weight) in grad.iter_mut().zip(weights) {
            let centred = simd.mul_f32s(simd.sub_f32s(*grad, along), scale);
            *grad = simd.mul_f32s(*weight, centred);
        }
    }
}
