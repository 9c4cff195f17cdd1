//! Rounds weights and activations to 8 bits, in blocks of the inner dimension with levels of their
//! own: a large number makes the levels of its block coarse, not those of the others.

use bytemuck::{Pod, Zeroable};
use pulp::{Simd, WithSimd};

use super::super::Isa;
use super::super::array::Array;
use super::super::lanes::multiply_add;

/// Number of 8-bit numbers that one lane of an instruction multiplies and adds up.
pub const GROUP: usize = 4;

/// Number of groups in a block.
pub const BLOCK: usize = 16;

/// Numbers in a block.
pub const WIDTH: usize = BLOCK * GROUP;

/// Number of columns in a panel of weights: two registers of AVX-512.
pub const PANEL: usize = 2 * LANES;

/// Number of columns in a register of AVX-512.
const LANES: usize = 16;

/// A range of activations that is smaller counts as zero: the reciprocal of a level would overflow.
const MIN_RANGE: f32 = 1e-30;

/// A register of weights: its lanes are columns, the bytes of a lane [`GROUP`] numbers of the inner
/// dimension, as far apart in their block as a block has groups. So activations are packed by shifts
/// of whole registers.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub struct Bytes([[i8; GROUP]; LANES]);

/// The weights, `[input, out]`, in panels of [`PANEL`] columns.
#[derive(Debug)]
pub struct Weights {
    /// Per panel, the groups of each block.
    registers: Vec<Block>,
    /// Per panel, the scales of each block.
    scales: Vec<Scales>,
    /// Number of blocks of the inner dimension.
    pub blocks: usize,
}

/// The groups of a block in a panel's two registers.
pub type Block = [[Bytes; 2]; BLOCK];

/// The blocks of a panel, and their scales.
pub type Panel<'a> = (&'a [Block], &'a [Scales]);

/// What one block of a panel's columns means.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub struct Scales {
    /// The value of one level, per column.
    pub level: [f32; PANEL],
    /// The sum of a column's rounded weights.
    pub total: [f32; PANEL],
}

impl Weights {
    /// Rounds a row-major weight `[out, input]`.
    pub fn round(weight: &[f32], input: usize) -> Self {
        let out = weight.len() / input;
        let (blocks, panels) = (input.div_ceil(WIDTH), out.div_ceil(PANEL));
        let mut registers = vec![[[Bytes::zeroed(); 2]; BLOCK]; panels * blocks];
        let mut scales = vec![Scales::zeroed(); panels * blocks];
        for (column, weights) in weight.chunks_exact(input).enumerate() {
            let (first, lane) = (column / PANEL * blocks, column % PANEL);
            let blocks = registers[first..].iter_mut().zip(&mut scales[first..]);
            for (weights, (registers, scales)) in weights.chunks(WIDTH).zip(blocks) {
                let level = level(weights);
                let mut sum = 0;
                for (k, weight) in weights.iter().enumerate() {
                    // NaN becomes 0 here, but the level is NaN too.
                    let byte = (weight / level).round() as i8;
                    sum += i32::from(byte);
                    registers[k % BLOCK][lane / LANES].0[lane % LANES][k / BLOCK] = byte;
                }
                scales.level[lane] = level;
                scales.total[lane] = level * sum as f32;
            }
        }
        Self { registers, scales, blocks }
    }

    /// Returns the blocks of a panel.
    pub fn panel(&self, index: usize) -> Panel<'_> {
        let blocks = index * self.blocks..(index + 1) * self.blocks;
        (&self.registers[blocks.clone()], &self.scales[blocks])
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
    /// Per row, the groups of each block.
    groups: Vec<[u32; BLOCK]>,
    /// Per row, the levels of each block.
    levels: Vec<Levels>,
    rows: usize,
}

/// The groups of a row's blocks, and their levels.
pub type RoundedRow<'a> = (&'a [[u32; BLOCK]], &'a [Levels]);

/// A block of a token's activations is `level · rounded + lowest`.
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
        self.rows
    }

    pub fn row(&self, i: usize) -> RoundedRow<'_> {
        let blocks = self.levels.len() / self.rows;
        let blocks = i * blocks..(i + 1) * blocks;
        (&self.groups[blocks.clone()], &self.levels[blocks])
    }
}

struct Round<'a>(&'a Array);

impl WithSimd for Round<'_> {
    type Output = Rounded;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Rounded {
        let Array { rows, width, .. } = *self.0;
        let blocks = width.div_ceil(WIDTH);
        let mut groups = Vec::with_capacity(rows * blocks);
        let mut levels = Vec::with_capacity(rows * blocks);
        for i in 0..rows {
            for block in self.0.row(i)[..width].chunks(WIDTH) {
                let numbers = <[f32; WIDTH]>::try_from(block).unwrap_or_else(|_| {
                    let mut padded = [0.; WIDTH];
                    padded[..block.len()].copy_from_slice(block);
                    padded
                });
                let (own, level) = round(simd, numbers);
                groups.push(own);
                levels.push(level);
            }
        }
        Rounded { groups, levels, rows }
    }
}

/// Rounds a block of one token's activations to 256 levels from the lowest to the highest, 0
/// included. `lowest` is NaN if an activation is not finite, and then so is every sum that it enters.
#[inline(always)]
fn round<S: Simd>(simd: S, mut numbers: [f32; WIDTH]) -> ([u32; BLOCK], Levels) {
    let registers = S::as_mut_simd_f32s(&mut numbers).0;
    let zero = simd.splat_f32s(0.);
    let (mut low, mut high, mut finite) = (zero, zero, zero);
    for x in &*registers {
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
    for x in &mut *registers {
        let scaled = multiply_add(simd, *x, factor, shift);
        *x = simd.add_f32s(simd.min_f32s(simd.max_f32s(scaled, zero), most), round);
    }
    let apart = registers.len() / GROUP;
    let mut groups = [0; BLOCK];
    for (i, group) in S::as_mut_simd_u32s(&mut groups).0.iter_mut().enumerate() {
        for byte in (0..GROUP).rev() {
            let bits = simd.transmute_u32s_f32s(registers[byte * apart + i]);
            let higher = simd.wrapping_dyn_shl_u32s(*group, simd.splat_u32s(8));
            *group = simd.or_u32s(higher, simd.and_u32s(bits, simd.splat_u32s(255)));
        }
    }
    (groups, Levels { level, lowest: lowest + simd.reduce_sum_f32s(finite) })
}
