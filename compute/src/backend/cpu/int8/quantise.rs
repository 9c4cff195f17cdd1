//! Rounds weights and activations to 8 bits.

use std::arch::x86_64::__m512i;

use pulp::x86::V4;
use pulp::{Simd, f32x16};

use super::super::lanes::multiply_add;

/// Number of 8-bit numbers that one lane of an instruction multiplies and adds up.
pub const GROUP: usize = 4;

/// Number of f32 in a register.
pub const LANES: usize = 16;

/// Number of columns in a panel of weights: two registers.
pub const PANEL: usize = 2 * LANES;

/// A range of activations that is smaller counts as zero: the reciprocal of a level would overflow.
const MIN_RANGE: f32 = 1e-30;

/// The weights, `[input, out]`, in panels of [`PANEL`] columns. The lanes of a register are
/// columns, its bytes [`GROUP`] numbers of the inner dimension.
#[derive(Debug)]
pub struct Weights {
    pub panels: Vec<[__m512i; 2]>,
    /// Number of groups of the inner dimension.
    pub groups: usize,
    /// The value of one level, per column. Padded to whole panels.
    pub scale: Vec<f32>,
    /// The sum of a column's rounded weights.
    pub total: Vec<f32>,
}

impl Weights {
    /// Rounds a row-major weight `[out, input]`.
    pub fn round(weight: &[f32], input: usize) -> Self {
        let out = weight.len() / input;
        let (groups, panels) = (input.div_ceil(GROUP), out.div_ceil(PANEL));
        let mut bytes = vec![[[0i8; LANES * GROUP]; 2]; panels * groups];
        let mut scale = vec![0.; panels * PANEL];
        let mut total = vec![0.; panels * PANEL];
        for (column, weights) in weight.chunks_exact(input).enumerate() {
            let level = level(weights);
            let (panel, lane) = (&mut bytes[column / PANEL * groups..], column % PANEL);
            let mut sum = 0;
            for (k, weight) in weights.iter().enumerate() {
                // NaN becomes 0 here, but the scale is NaN too.
                let rounded = (weight / level).round() as i8;
                sum += i32::from(rounded);
                panel[k / GROUP][lane / LANES][lane % LANES * GROUP + k % GROUP] = rounded;
            }
            scale[column] = level;
            total[column] = level * sum as f32;
        }
        let registers = bytes.into_iter().map(|row| row.map(bytemuck::must_cast));
        Self { panels: registers.collect(), groups, scale, total }
    }
}

/// Returns the value of one of 127 levels; NaN if a weight is not finite.
fn level(weights: &[f32]) -> f32 {
    let finite = weights.iter().all(|weight| weight.is_finite());
    let max = weights.iter().fold(0f32, |max, weight| max.max(weight.abs()));
    match (finite, max) {
        (false, _) => f32::NAN,
        (true, 0.) => 1.,
        (true, max) => max / 127.,
    }
}

/// A token's activations are `level · rounded + lowest`.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    pub level: f32,
    pub lowest: f32,
}

/// Rounds one token's activations to 256 levels from the lowest to the highest, 0 included, and
/// writes them in groups. `lowest` is NaN if an activation is not finite, and then so is every sum
/// that it enters.
#[inline(always)]
pub fn round(simd: V4, activations: &[f32], groups: &mut [u32]) -> Levels {
    let (whole, rest) = V4::as_simd_f32s(activations);
    // Zeros, if there is no rest.
    let rest = simd.partial_load_f32s(rest);
    let mut range = Range::zero(simd);
    for x in whole {
        range.include(simd, *x);
    }
    range.include(simd, rest);
    let lowest = simd.reduce_min_f32s(range.low);
    let level = simd.reduce_max_f32s(range.high) / 255. - lowest / 255.;
    let per_level = if 255. * level > MIN_RANGE { 1. / level } else { 0. };
    let (factor, shift) = (simd.splat_f32s(per_level), simd.splat_f32s(-lowest * per_level));
    let (groups, last) = groups.split_at_mut(whole.len() * (LANES / GROUP));
    for (groups, x) in groups.chunks_exact_mut(LANES / GROUP).zip(whole) {
        groups.copy_from_slice(&rounded(simd, multiply_add(simd, *x, factor, shift)));
    }
    last.copy_from_slice(&rounded(simd, multiply_add(simd, rest, factor, shift))[..last.len()]);
    Levels { level, lowest: lowest + simd.reduce_sum_f32s(range.finite) }
}

/// The range of some numbers and 0.
struct Range {
    low: f32x16,
    high: f32x16,
    /// 0, or NaN if a number is not finite.
    finite: f32x16,
}

impl Range {
    #[inline(always)]
    fn zero(simd: V4) -> Self {
        let zero = simd.splat_f32s(0.);
        Self { low: zero, high: zero, finite: zero }
    }

    #[inline(always)]
    fn include(&mut self, simd: V4, x: f32x16) {
        self.low = simd.min_f32s(self.low, x);
        self.high = simd.max_f32s(self.high, x);
        self.finite = multiply_add(simd, x, simd.splat_f32s(0.), self.finite);
    }
}

/// Rounds numbers from 0 to 255 to integers, in groups.
#[inline(always)]
fn rounded(simd: V4, numbers: f32x16) -> [u32; LANES / GROUP] {
    let integers = simd.avx512f._mm512_cvtps_epi32(bytemuck::must_cast(numbers));
    bytemuck::must_cast(simd.avx512f._mm512_cvtusepi32_epi8(integers))
}
