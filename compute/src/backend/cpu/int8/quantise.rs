//! Rounds weights and activations to 8 bits.

use bytemuck::{Pod, Zeroable};
use pulp::{Simd, WithSimd};

use super::super::Isa;
use super::super::array::Array;
use super::super::lanes::multiply_add;

/// Number of 8-bit numbers that one lane of an instruction multiplies and adds up.
pub const GROUP: usize = 4;

/// Number of columns in a panel of weights: two registers of AVX-512.
pub const PANEL: usize = 2 * LANES;

/// Number of columns in a register of AVX-512.
const LANES: usize = 16;

/// A range of activations that is smaller counts as zero: the reciprocal of a level would overflow.
const MIN_RANGE: f32 = 1e-30;

/// A register of weights: its lanes are columns, the bytes of a lane [`GROUP`] numbers of the inner
/// dimension.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub struct Bytes([[i8; GROUP]; LANES]);

/// The weights, `[input, out]`, in panels of [`PANEL`] columns.
#[derive(Debug)]
pub struct Weights {
    pub panels: Vec<[Bytes; 2]>,
    /// Number of groups of the inner dimension.
    pub groups: usize,
    /// The value of one level, per column. Padded to whole panels.
    pub level: Vec<f32>,
    /// The sum of a column's rounded weights.
    pub total: Vec<f32>,
}

impl Weights {
    /// Rounds a row-major weight `[out, input]`.
    pub fn round(weight: &[f32], input: usize) -> Self {
        let out = weight.len() / input;
        let (groups, panels) = (input.div_ceil(GROUP), out.div_ceil(PANEL));
        let mut rounded = vec![[Bytes::zeroed(); 2]; panels * groups];
        let mut levels = vec![0.; panels * PANEL];
        let mut total = vec![0.; panels * PANEL];
        for (column, weights) in weight.chunks_exact(input).enumerate() {
            let level = level(weights);
            let (panel, lane) = (&mut rounded[column / PANEL * groups..], column % PANEL);
            let mut sum = 0;
            for (k, weight) in weights.iter().enumerate() {
                // NaN becomes 0 here, but the level is NaN too.
                let byte = (weight / level).round() as i8;
                sum += i32::from(byte);
                panel[k / GROUP][lane / LANES].0[lane % LANES][k % GROUP] = byte;
            }
            levels[column] = level;
            total[column] = level * sum as f32;
        }
        Self { panels: rounded, groups, level: levels, total }
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

/// Rounded activations, `[n, input]`.
#[derive(Debug)]
pub struct Rounded {
    /// The bytes of each row.
    bytes: Array,
    pub levels: Vec<Levels>,
}

/// A token's activations are `level · rounded + lowest`.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    pub level: f32,
    pub lowest: f32,
}

impl Rounded {
    pub fn of(isa: Isa, x: &Array) -> Self {
        isa.run(Round(x))
    }

    pub fn rows(&self) -> usize {
        self.levels.len()
    }

    /// Returns a row in groups of [`GROUP`] numbers.
    pub fn row(&self, i: usize) -> &[u32] {
        bytemuck::must_cast_slice(self.bytes.row(i))
    }
}

struct Round<'a>(&'a Array);

impl WithSimd for Round<'_> {
    type Output = Rounded;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Rounded {
        let (rows, width) = (self.0.rows, self.0.width);
        let mut bytes = Array::take(rows, width.div_ceil(GROUP));
        let round = |i| {
            let bytes = bytemuck::must_cast_slice_mut(bytes.row_mut(i));
            round(simd, &self.0.row(i)[..width], bytes)
        };
        let levels = (0..rows).map(round).collect();
        Rounded { bytes, levels }
    }
}

/// Rounds one token's activations to 256 levels from the lowest to the highest, 0 included.
/// `lowest` is NaN if an activation is not finite, and then so is every sum that it enters.
#[inline(always)]
fn round<S: Simd>(simd: S, activations: &[f32], bytes: &mut [u8]) -> Levels {
    let (whole, rest) = S::as_simd_f32s(activations);
    // Zeros, if there is no rest.
    let rest = simd.partial_load_f32s(rest);
    let zero = simd.splat_f32s(0.);
    let (mut low, mut high, mut finite) = (zero, zero, zero);
    for x in whole.iter().chain([&rest]) {
        low = simd.min_f32s(low, *x);
        high = simd.max_f32s(high, *x);
        // 0, or NaN if a number is not finite.
        finite = multiply_add(simd, *x, zero, finite);
    }
    let lowest = simd.reduce_min_f32s(low);
    let level = simd.reduce_max_f32s(high) / 255. - lowest / 255.;
    let per_level = if 255. * level > MIN_RANGE { 1. / level } else { 0. };
    let (factor, shift) = (simd.splat_f32s(per_level), simd.splat_f32s(-lowest * per_level));
    let most = simd.splat_f32s(255.);
    // Adding 2^23 rounds to an integer and leaves it in the low bits.
    let round = simd.splat_f32s(8_388_608.);
    for (bytes, x) in bytes.chunks_exact_mut(S::F32_LANES).zip(whole.iter().chain([&rest])) {
        let number = multiply_add(simd, *x, factor, shift);
        let number = simd.min_f32s(simd.max_f32s(number, zero), most);
        let rounded = [simd.add_f32s(number, round)];
        let rounded: &[u32] = bytemuck::cast_slice(&rounded);
        bytes.iter_mut().zip(rounded).for_each(|(byte, bits)| *byte = *bits as u8);
    }
    Levels { level, lowest: lowest + simd.reduce_sum_f32s(finite) }
}
