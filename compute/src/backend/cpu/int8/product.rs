//! A linear map in 8 bits.

use pulp::{Simd, WithSimd};

use super::super::Isa;
use super::super::array::{Array, padded};
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;
use super::quantise::{BLOCK, PANEL, Rounded, RoundedRow, Weights};
use super::{Int8, Sums, TILE};

#[derive(Debug)]
pub struct Map {
    int8: Int8,
    isa: Isa,
    weights: Weights,
    columns: usize,
}

impl Map {
    /// Rounds a row-major weight `[out, input]`.
    pub fn new(int8: Int8, isa: Isa, weight: &[f32], input: usize) -> Self {
        Self { int8, isa, weights: Weights::round(weight, input), columns: weight.len() / input }
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
        let work = x.rows() * self.weights.blocks * BLOCK * self.columns;
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
        let mut sums = [[0.; PANEL]; TILE];
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
        let mut rows: [RoundedRow<'_>; TILE] = [(&[], &[]); TILE];
        for (i, x) in rows[..height].iter_mut().enumerate() {
            *x = self.x.row(self.first + row + i);
        }
        self.map.int8.multiply(&rows[..height], self.map.weights.panel(panel), sums);
    }

    /// Writes `finish(start + sums)`.
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, panel: usize, row: usize, sums: &[Sums]) {
        let stride = padded(self.map.columns);
        for (row, sums) in (row..).zip(sums) {
            // The last panel may be narrower.
            let y = &mut self.y[row * stride + panel * PANEL..(row + 1) * stride];
            let registers = S::as_mut_simd_f32s(y).0.iter_mut().zip(S::as_simd_f32s(sums).0);
            for (v, (y, sum)) in registers.enumerate() {
                let column = panel * PANEL + v * S::F32_LANES;
                let start = self.start.at(simd, self.first + row, column);
                let sum = simd.add_f32s(*sum, start);
                *y = self.finish.finish(simd, self.first + row, column, sum).0;
            }
        }
    }
}
