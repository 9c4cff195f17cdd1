//! A linear map in 8 bits.

use pulp::{Simd, WithSimd};

use super::super::Isa;
use super::super::array::{Array, padded};
use super::super::lanes::{load, multiply_add};
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;
use super::quantise::{PANEL, Rounded, Weights};
use super::{Int8, Sums, TILE};

/// The longest inner dimension whose sums of products up to 255 · 127 fit in 32 bits.
pub(super) const MAX_INPUT: usize = i32::MAX as usize / (255 * 127);

#[derive(Debug)]
pub struct Map {
    int8: Int8,
    isa: Isa,
    weights: Weights,
    columns: usize,
}

impl Map {
    /// Rounds a row-major weight `[out, input]`. `None` if sums could overflow.
    pub fn new(int8: Int8, isa: Isa, weight: &[f32], input: usize) -> Option<Self> {
        let fits = (1..=MAX_INPUT).contains(&input);
        let columns = weight.len() / input.max(1);
        fits.then(|| Self { int8, isa, weights: Weights::round(weight, input), columns })
    }

    /// Returns `finish(start + x Wᵀ)`, without the epilogue's second value.
    pub fn forward<F: Finish>(
        &self,
        threads: Threads,
        x: &Rounded,
        start: Start<'_>,
        finish: &F,
    ) -> Array {
        let mut y = Array::take(x.rows(), self.columns);
        let stride = y.stride();
        // Products of groups, each about as long as a multiply-add in f32.
        let work = x.rows() * self.weights.panels.len() * PANEL;
        let rows = x.rows().div_ceil(threads.count_for(work)).max(1);
        let parts = y.as_mut_slice()[..x.rows() * stride].chunks_mut(rows * stride).enumerate();
        let part = |(i, y)| Part { map: self, x, start, finish, first: i * rows, y };
        threads.each(work, parts.map(part).collect(), |parts: Vec<Part<'_, F>>| {
            parts.into_iter().for_each(|part| self.isa.run(part));
        });
        y
    }
}

/// Some rows of a product.
struct Part<'a, F> {
    map: &'a Map,
    x: &'a Rounded,
    start: Start<'a>,
    finish: &'a F,
    /// Index of the first row.
    first: usize,
    /// The rows of the output.
    y: &'a mut [f32],
}

impl<F: Finish> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.y.len() / padded(self.map.columns);
        let tiles = rows.div_ceil(TILE);
        let mut sums = [[0; PANEL]; TILE];
        for panel in 0..self.map.columns.div_ceil(PANEL) {
            let mut row = 0;
            for i in 0..tiles {
                let height = rows / tiles + usize::from(i < rows % tiles);
                self.multiply(panel, row, height, &mut sums);
                self.write(simd, panel, row, &sums[..height]);
                row += height;
            }
        }
    }
}

impl<F: Finish> Part<'_, F> {
    /// Computes `height` rows of a panel.
    #[inline(always)]
    fn multiply(&self, panel: usize, row: usize, height: usize, sums: &mut [Sums; TILE]) {
        let weights = &self.map.weights;
        let mut rows = [[].as_slice(); TILE];
        for (i, x) in rows[..height].iter_mut().enumerate() {
            *x = self.x.row(self.first + row + i);
        }
        let panel = &weights.panels[panel * weights.groups..][..weights.groups];
        self.map.int8.multiply(&rows[..height], panel, sums);
    }

    /// Writes `finish(start + level · sums + lowest · total)`.
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, panel: usize, row: usize, sums: &[Sums]) {
        let (weights, stride) = (&self.map.weights, padded(self.map.columns));
        for (row, sums) in (row..).zip(sums) {
            let levels = self.x.levels[self.first + row];
            let level = simd.splat_f32s(levels.level);
            let lowest = simd.splat_f32s(levels.lowest);
            let sums = sums.map(|sum| sum as f32);
            // The last panel may be narrower.
            let y = &mut self.y[row * stride + panel * PANEL..(row + 1) * stride];
            let registers = S::as_mut_simd_f32s(y).0.iter_mut().zip(S::as_simd_f32s(&sums).0);
            for (v, (y, sum)) in registers.enumerate() {
                let column = panel * PANEL + v * S::F32_LANES;
                let scale = simd.mul_f32s(level, load::<S>(&weights.level, column));
                let start = self.start.at(simd, self.first + row, column);
                let start = multiply_add(simd, lowest, load::<S>(&weights.total, column), start);
                let sum = multiply_add(simd, *sum, scale, start);
                *y = self.finish.finish(simd, self.first + row, column, sum).0;
            }
        }
    }
}
