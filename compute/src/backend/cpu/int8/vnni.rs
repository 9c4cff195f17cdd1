//! Products with AVX512-VNNI, whose instruction multiplies and adds 64 pairs of 8-bit integers.
#![allow(unsafe_code)]

use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32, _mm512_setzero_si512};

use pulp::core_arch::x86::Avx512vnni;
use pulp::x86::V4;
use pulp::{NullaryFnOnce, Simd, f32x16};

use super::super::Isa;
use super::super::array::{Array, padded};
use super::super::lanes::{load, multiply_add};
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;
use super::quantise::{LANES, Levels, PANEL, Weights, round};

/// Rows of a tile: its sums leave registers for the weights.
const TILE: usize = 12;

/// The longest inner dimension whose sums of products up to 255 · 127 fit in 32 bits.
pub(super) const MAX_INPUT: usize = i32::MAX as usize / (255 * 127);

/// Integer products per multiply-add in f32, which decide how many threads they are worth.
const SPEED: usize = 4;

/// The instructions. A value exists only on processors that have them.
#[derive(Debug, Clone, Copy)]
pub struct Vnni {
    avx512: V4,
    _vnni: Avx512vnni,
}

impl Vnni {
    /// Returns the instructions that go with `isa`, if this processor has them.
    pub fn of(isa: Isa) -> Option<Self> {
        match isa {
            Isa::Avx512(avx512) => Avx512vnni::try_new().map(|_vnni| Self { avx512, _vnni }),
            Isa::Portable | Isa::Avx2(_) => None,
        }
    }

    pub fn isa(self) -> Isa {
        Isa::Avx512(self.avx512)
    }

    /// Returns the sums of products of `M` rows with a panel.
    #[inline(always)]
    fn multiply<const M: usize>(
        self,
        left: [&[u32]; M],
        right: &[[__m512i; 2]],
    ) -> [[__m512i; 2]; M] {
        // SAFETY: `self` exists, so this processor has the instructions.
        unsafe { multiply(left, right) }
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply<const M: usize>(left: [&[u32]; M], right: &[[__m512i; 2]]) -> [[__m512i; 2]; M] {
    let left = left.map(|row| &row[..right.len()]);
    let mut sums = [[_mm512_setzero_si512(); 2]; M];
    for (k, weights) in right.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(left) {
            let group = _mm512_set1_epi32(row[k].cast_signed());
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, group, *weights);
            }
        }
    }
    sums
}

/// A linear map in 8 bits.
#[derive(Debug)]
pub struct Map {
    vnni: Vnni,
    weights: Weights,
    columns: usize,
}

impl Map {
    /// Rounds a row-major weight `[out, input]`. `None` if sums could overflow.
    pub fn new(vnni: Vnni, weight: &[f32], input: usize) -> Option<Self> {
        let fits = (1..=MAX_INPUT).contains(&input);
        let columns = weight.len() / input.max(1);
        fits.then(|| Self { vnni, weights: Weights::round(weight, input), columns })
    }

    /// Returns `finish(start + x Wᵀ)`, without the epilogue's second value.
    pub fn forward<F: Finish>(
        &self,
        threads: Threads,
        x: &Array,
        start: Start<'_>,
        finish: &F,
    ) -> Array {
        let mut y = Array::take(x.rows, self.columns);
        let stride = y.stride();
        let work = x.rows * x.width * self.columns / SPEED;
        let rows = x.rows.div_ceil(threads.count_for(work)).max(1);
        let parts = y.as_mut_slice()[..x.rows * stride].chunks_mut(rows * stride).enumerate();
        let part = |(i, y)| Part { map: self, x, start, finish, first: i * rows, y };
        threads.each(work, parts.map(part).collect(), |parts: Vec<Part<'_, F>>| {
            parts.into_iter().for_each(|part| self.vnni.avx512.vectorize(part));
        });
        y
    }
}

/// Some rows of a product.
struct Part<'a, F> {
    map: &'a Map,
    x: &'a Array,
    start: Start<'a>,
    finish: &'a F,
    /// Index of the first row.
    first: usize,
    /// The rows of the output.
    y: &'a mut [f32],
}

impl<F: Finish> NullaryFnOnce for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let stride = padded(self.map.columns);
        let rows = self.y.len() / stride;
        let mut rounded = Array::take(rows, self.map.weights.groups);
        let mut levels = Vec::with_capacity(rows);
        for i in 0..rows {
            levels.push(self.round(i, &mut rounded));
        }
        let tiles = rows.div_ceil(TILE);
        for panel in 0..self.map.columns.div_ceil(PANEL) {
            let mut row = 0;
            for i in 0..tiles {
                let height = rows / tiles + usize::from(i < rows % tiles);
                self.tile(panel, row, height, &rounded, &levels);
                row += height;
            }
        }
    }
}

impl<F: Finish> Part<'_, F> {
    #[inline(always)]
    fn round(&self, i: usize, rounded: &mut Array) -> Levels {
        let groups = bytemuck::must_cast_slice_mut(rounded.row_mut(i));
        let activations = &self.x.row(self.first + i)[..self.x.width];
        round(self.map.vnni.avx512, activations, &mut groups[..self.map.weights.groups])
    }

    /// Computes `height` rows of a panel.
    #[inline(always)]
    fn tile(
        &mut self,
        panel: usize,
        row: usize,
        height: usize,
        rounded: &Array,
        levels: &[Levels],
    ) {
        macro_rules! heights {
            ($($m:literal)*) => {
                match height {
                    $($m => {
                        let sums = self.sums::<$m>(panel, row, rounded);
                        self.write(panel, row, &sums, levels);
                    })*
                    height => unreachable!("a tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    #[inline(always)]
    fn sums<const M: usize>(&self, panel: usize, row: usize, rounded: &Array) -> [[__m512i; 2]; M] {
        let weights = &self.map.weights;
        let mut left = [[].as_slice(); M];
        for (i, left) in left.iter_mut().enumerate() {
            *left = bytemuck::must_cast_slice(rounded.row(row + i));
        }
        let right = &weights.panels[panel * weights.groups..][..weights.groups];
        self.map.vnni.multiply(left, right)
    }

    /// Writes `finish(start + level · sums + lowest · total)`.
    #[inline(always)]
    fn write(&mut self, panel: usize, row: usize, sums: &[[__m512i; 2]], levels: &[Levels]) {
        let (simd, weights) = (self.map.vnni.avx512, &self.map.weights);
        let stride = padded(self.map.columns);
        for (row, sums) in (row..).zip(sums) {
            let level = simd.splat_f32s(levels[row].level);
            let lowest = simd.splat_f32s(levels[row].lowest);
            let y = &mut self.y[row * stride + panel * PANEL..(row + 1) * stride];
            // The last panel may be one register wide.
            for (v, (y, sum)) in V4::as_mut_simd_f32s(y).0.iter_mut().zip(sums).enumerate() {
                let column = panel * PANEL + v * LANES;
                let sum: f32x16 = bytemuck::must_cast(simd.avx512f._mm512_cvtepi32_ps(*sum));
                let scale = simd.mul_f32s(level, load::<V4>(&weights.scale, column));
                let start = self.start.at(simd, self.first + row, column);
                let start = multiply_add(simd, lowest, load::<V4>(&weights.total, column), start);
                let sum = multiply_add(simd, sum, scale, start);
                *y = self.finish.finish(simd, self.first + row, column, sum).0;
            }
        }
    }
}
