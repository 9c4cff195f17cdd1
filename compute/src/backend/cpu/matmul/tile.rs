//! Computes a product panel by panel, and each panel tile by tile.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Finish, Left, Out, Rewrite, Right, Start};
use crate::backend::cpu::array::padded;
use crate::backend::cpu::lanes::multiply_add;

/// Length of the parts of the inner dimension: a panel's part stays in the L1 cache while all rows
/// are multiplied with it.
const DEPTH: usize = 256;

/// Minimum depth from which a tile prefetches its output. Shorter tiles finish too soon to
/// benefit.
const PREFETCH_DEPTH: usize = 192;

/// Numbers of a left-hand side that fits in the L2 cache. For a larger one, all panels are
/// multiplied with one part of the inner dimension before the next.
const LEFT_CACHED: usize = 1 << 18;

/// Prefetches a cache line that is needed about a thousand cycles later: a large model's arrays
/// exceed the L2 cache, and a tile's rows are too far apart for the hardware prefetcher.
#[inline(always)]
fn prefetch(pointer: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer;
}

/// The operands of a product.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: Right<'a>,
    pub(super) start: Start<'a>,
    pub(super) out: &'a Out<'a>,
    pub(super) second: Option<&'a Out<'a>>,
}

impl Product<'_> {
    /// Asserts everything that the unsafe code below relies on.
    pub(super) fn check(&self) {
        let (left, right) = (self.left, self.right);
        let last = (left.rows - 1) * left.row + right.depth.saturating_sub(1) * left.column;
        assert!(right.depth > 0 && last < left.data.len(), "the left-hand side is too short");
        let out = self.out;
        assert!((left.rows - 1) * out.stride + out.columns <= out.len, "output too short");
        // The second may have fewer rows.
        for out in [Some(out), self.second].into_iter().flatten() {
            assert!(out.columns <= padded(right.columns), "columns beyond the panels");
        }
    }
}

/// A rectangle of the product, as ranges of rows and panels.
pub(super) struct Part<'a, F> {
    pub(super) product: Product<'a>,
    pub(super) finish: &'a F,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
}

impl<F> Clone for Part<'_, F> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), panels: self.panels.clone(), ..*self }
    }
}

impl<F: Rewrite> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let right = self.product.right;
        let (panel, end) = (2 * S::F32_LANES, padded(right.columns));
        let first = self.panels.start * panel;
        let last = self.panels.end.saturating_mul(panel).min(end);
        let panels = || (first..last).step_by(panel).map(|first| (first, panel.min(end - first)));
        let depths = || (0..right.depth).step_by(DEPTH);
        if self.rows.len() * right.depth <= LEFT_CACHED {
            panels().for_each(|panel| depths().for_each(|from| self.block(simd, panel, from)));
        } else {
            depths().for_each(|from| panels().for_each(|panel| self.block(simd, panel, from)));
        }
    }
}

/// Rows of a tile: as many as leave two registers for weights.
const fn tile_rows<S: Simd>() -> usize {
    match (S::REGISTER_COUNT, S::F32_LANES) {
        (32.., 16..) => 12,
        (_, 8..) => 6,
        _ => 4,
    }
}

impl<F: Rewrite> Part<'_, F> {
    /// Computes all rows of one panel, over the part of the inner dimension that starts at `from`.
    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, (first, width): (usize, usize), from: usize) {
        let product = self.product;
        let (weights, step) = product.right.panel(first, width);
        let to = (from + DEPTH).min(product.right.depth);
        let weights = &weights[from * step..(to - 1) * step + width];
        let used = width.min(product.out.columns.saturating_sub(first));
        let rows = self.rows.len();
        let tiles = rows.div_ceil(tile_rows::<S>());
        let mut row = self.rows.start;
        for i in 0..tiles {
            // Heights are nearly equal, since a tile of one row would be slow.
            let height = rows / tiles + usize::from(i < rows % tiles);
            let tile = Tile { product, weights, step, first, from, to, row, height, used };
            match width / S::F32_LANES {
                1 => tile.add::<S, 1>(simd),
                _ => tile.add::<S, 2>(simd),
            }
            if to == product.right.depth {
                self.finish.rewrite(simd, &tile);
            }
            row += height;
        }
    }
}

/// A few rows of one panel, over one part of the inner dimension.
pub struct Tile<'a> {
    product: Product<'a>,
    /// The panel's data; `step` is the distance between rows.
    weights: &'a [f32],
    step: usize,
    /// The panel's first column.
    first: usize,
    /// The part of the inner dimension, `from..to`.
    from: usize,
    to: usize,
    row: usize,
    height: usize,
    /// Number of the panel's columns to write.
    used: usize,
}

/// A tile of fixed height, so that each height is compiled separately.
struct Sized<'a, const M: usize, const V: usize>(&'a Tile<'a>);

impl<const M: usize, const V: usize> WithSimd for Sized<'_, M, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Decided at compile time: heights that this instruction set does not use are not compiled.
        if const { M <= tile_rows::<S>() } {
            self.0.run::<S, M, V>(simd);
        } else {
            unreachable!("a tile of {M} rows");
        }
    }
}

impl Tile<'_> {
    /// Adds this part of the inner dimension to the sums.
    #[inline(always)]
    fn add<S: Simd, const V: usize>(&self, simd: S) {
        macro_rules! heights {
            ($($m:literal)*) => {
                match self.height {
                    $($m => simd.vectorize(Sized::<$m, V>(self)),)*
                    height => unreachable!("a tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// Prefetches the output lines of this tile.
    #[inline(always)]
    fn prefetch_output<S: Simd, const M: usize, const V: usize>(&self, out: &Out<'_>) {
        for i in 0..M {
            for v in 0..V {
                let offset = (self.row + i) * out.stride + self.first + v * S::F32_LANES;
                prefetch(out.data.wrapping_add(offset));
            }
        }
    }

    #[inline(always)]
    fn run<S: Simd, const M: usize, const V: usize>(&self, simd: S) {
        if self.to - self.from >= PREFETCH_DEPTH {
            self.prefetch_output::<S, M, V>(self.product.out);
            if let Some(second) = self.product.second {
                self.prefetch_output::<S, M, V>(second);
            }
        }
        let mut sums = [[simd.splat_f32s(0.); V]; M];
        for (i, row) in sums.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = self.start(simd, self.row + i, v * S::F32_LANES);
            }
        }
        self.add_products(simd, &mut sums);
        for (i, row) in sums.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                self.store::<S>(self.product.out, self.row + i, v * S::F32_LANES, sum);
            }
        }
    }

    /// Replaces the complete sums by the epilogue's values.
    #[inline(always)]
    pub(super) fn finish<S: Simd, F: Finish>(&self, simd: S, epilogue: &F) {
        let Product { out, second, .. } = self.product;
        for row in self.row..self.row + self.height {
            let (sums, rest) = S::as_mut_simd_f32s(self.output_slice(out, row, 0, self.used));
            let second = second.filter(|out| row * out.stride < out.len);
            let mut seconds =
                second.map(|out| S::as_mut_simd_f32s(self.output_slice(out, row, 0, self.used)));
            for (v, sum) in sums.iter_mut().enumerate() {
                let column = self.first + v * S::F32_LANES;
                let (value, second) = epilogue.finish(simd, row, column, *sum);
                *sum = value;
                if let Some((seconds, _)) = &mut seconds {
                    seconds[v] = second;
                }
            }
            if !rest.is_empty() {
                let column = self.first + sums.len() * S::F32_LANES;
                let sum = simd.partial_load_f32s(rest);
                let (value, second) = epilogue.finish(simd, row, column, sum);
                simd.partial_store_f32s(rest, value);
                if let Some((_, rest)) = seconds {
                    simd.partial_store_f32s(rest, second);
                }
            }
        }
    }

    #[inline(always)]
    fn add_products<S: Simd, const M: usize, const V: usize>(
        &self,
        simd: S,
        sums: &mut [[S::f32s; V]; M],
    ) {
        let left = self.product.left;
        // The compiler keeps this copy in registers whatever M is. `sums`, which the caller fills in
        // loops with branches, stayed in memory for some M, at less than half the speed.
        let mut registers = *sums;
        // SAFETY: `check` asserts that every i · row + k · column is within `left`; the last row
        // of `weights` holds V registers.
        unsafe {
            let mut a = left.data.as_ptr().add(self.row * left.row + self.from * left.column);
            let mut b = self.weights.as_ptr();
            for _ in self.from..self.to {
                let mut weights = [simd.splat_f32s(0.); V];
                for (v, weight) in weights.iter_mut().enumerate() {
                    *weight = b.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for (i, row) in registers.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*a.add(i * left.row));
                    for (sum, weight) in row.iter_mut().zip(weights) {
                        *sum = multiply_add(simd, x, weight, *sum);
                    }
                }
                a = a.wrapping_add(left.column);
                b = b.wrapping_add(self.step);
            }
        }
        *sums = registers;
    }

    /// Returns the initial sum at this row and the panel's column `column`.
    #[inline(always)]
    fn start<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        match self.from {
            0 => self.product.start.at(simd, row, self.first + column),
            _ => self.written(simd, row, column),
        }
    }

    /// Returns the sums that were written to the panel's columns from `column` on.
    #[inline(always)]
    fn written<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        let used = S::F32_LANES.min(self.used.saturating_sub(column));
        let sums = self.output_slice(self.product.out, row, column, used);
        match S::as_simd_f32s(sums).0 {
            [whole] => *whole,
            _ => simd.partial_load_f32s(sums),
        }
    }

    /// Writes a register to the panel's columns from `column` on, except padding.
    #[inline(always)]
    fn store<S: Simd>(&self, out: &Out<'_>, row: usize, column: usize, value: S::f32s) {
        let used = S::F32_LANES.min(self.used.saturating_sub(column));
        let target = self.output_slice(out, row, column, used);
        match S::as_mut_simd_f32s(target).0 {
            [whole] => *whole = value,
            _ => target.copy_from_slice(&bytemuck::cast_slice(&[value])[..used]),
        }
    }

    /// Returns `used` output numbers of this row, from the panel's column `column` on.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn output_slice<'o>(
        &self,
        out: &'o Out<'_>,
        row: usize,
        column: usize,
        used: usize,
    ) -> &'o mut [f32] {
        let offset = row * out.stride + self.first + column;
        assert!(offset + used <= out.len || used == 0);
        // SAFETY: in bounds by the assertion above. Only this thread accesses this row of these
        // columns, and it drops the slice at once.
        unsafe { std::slice::from_raw_parts_mut(out.data.wrapping_add(offset), used) }
    }
}
