//! How a product is computed: panel by panel, and within it tile by tile.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Finish, Left, Out, Right, Start};
use crate::backend::cpu::array::padded;
use crate::backend::cpu::lanes::{load, multiply_add};

/// The inner dimension is cut so that a panel's part stays in the first cache
/// while all rows pass over it.
const DEPTH: usize = 256;

/// Rows of the inner dimension from which on a tile asks for its lines ahead:
/// shorter tiles are over too soon, and their arrays are near.
const WORTH_ASKING: usize = 192;

/// Numbers of the left-hand side that stay in the second cache beside the rest.
/// Of a larger one, a part of the inner dimension is done with before the next.
const LEFT_IN_CACHE: usize = 1 << 18;

/// Asks for a line of memory that is needed a thousand cycles from now: a large
/// model's arrays lie beyond the second cache, and a tile's rows too far apart
/// for the processor to foresee.
#[inline(always)]
fn prefetch(place: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// A rectangle of the product.
pub(super) struct Part<'a, F> {
    pub(super) left: Left<'a>,
    pub(super) right: Right<'a>,
    pub(super) start: Start<'a>,
    pub(super) out: &'a Out<'a>,
    pub(super) second: Option<&'a Out<'a>>,
    pub(super) finish: &'a F,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
}

impl<F> Clone for Part<'_, F> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), panels: self.panels.clone(), ..*self }
    }
}

impl<F> Part<'_, F> {
    /// Everything that the unsafe code below relies on.
    pub(super) fn check(&self) {
        let (left, right) = (self.left, self.right);
        let last = (left.rows - 1) * left.row + right.depth.saturating_sub(1) * left.column;
        assert!(right.depth > 0 && last < left.data.len(), "the left-hand side is too short");
        for out in [Some(self.out), self.second].into_iter().flatten() {
            assert!((left.rows - 1) * out.stride + out.columns <= out.len, "no room for rows");
            assert!(out.columns <= padded(right.columns), "columns that no panel has");
        }
    }
}

impl<F: Finish> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (panel, end) = (2 * S::F32_LANES, padded(self.right.columns));
        let first = self.panels.start * panel;
        let last = self.panels.end.saturating_mul(panel).min(end);
        let panels = || (first..last).step_by(panel).map(|first| (first, panel.min(end - first)));
        let depths = || (0..self.right.depth).step_by(DEPTH);
        if self.rows.len() * self.right.depth <= LEFT_IN_CACHE {
            panels().for_each(|panel| depths().for_each(|from| self.block(simd, panel, from)));
        } else {
            depths().for_each(|from| panels().for_each(|panel| self.block(simd, panel, from)));
        }
    }
}

/// Rows of a tile: as many as leave registers for two of weights.
const fn tile_rows<S: Simd>() -> usize {
    match (S::REGISTER_COUNT, S::F32_LANES) {
        (32.., 16..) => 12,
        (_, 8..) => 6,
        _ => 4,
    }
}

impl<F: Finish> Part<'_, F> {
    /// All rows of one panel, over the part of the inner dimension that begins
    /// at `from`.
    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, (first, width): (usize, usize), from: usize) {
        let (weights, step) = self.right.panel(first, width);
        let to = (from + DEPTH).min(self.right.depth);
        let weights = &weights[from * step..(to - 1) * step + width];
        let used = width.min(self.out.columns.saturating_sub(first));
        let rows = self.rows.len();
        let tiles = rows.div_ceil(tile_rows::<S>());
        let mut row = self.rows.start;
        for i in 0..tiles {
            // Nearly equal heights: a tile of one row would be slow.
            let height = rows / tiles + usize::from(i < rows % tiles);
            let tile = Tile { part: self, weights, step, first, from, to, row, used };
            match width / S::F32_LANES {
                1 => tile.of_height::<S, 1>(simd, height),
                _ => tile.of_height::<S, 2>(simd, height),
            }
            row += height;
        }
    }
}

/// A few rows of one panel, over one part of the inner dimension.
struct Tile<'a, F> {
    part: &'a Part<'a, F>,
    /// The panel's numbers, `step` from row to row.
    weights: &'a [f32],
    step: usize,
    /// The panel's first column.
    first: usize,
    /// The part of the inner dimension.
    from: usize,
    to: usize,
    row: usize,
    /// Columns of the panel that are written.
    used: usize,
}

/// One height as an operation of its own, so that each is compiled apart.
struct Sized<'a, F, const M: usize, const V: usize>(&'a Tile<'a, F>);

impl<F: Finish, const M: usize, const V: usize> WithSimd for Sized<'_, F, M, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run::<S, M, V>(simd);
    }
}

impl<F: Finish> Tile<'_, F> {
    #[inline(always)]
    fn of_height<S: Simd, const V: usize>(&self, simd: S, height: usize) {
        macro_rules! heights {
            ($($m:literal)*) => {
                match height {
                    $($m if $m <= tile_rows::<S>() => simd.vectorize(Sized::<F, $m, V>(self)),)*
                    _ => unreachable!("a tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// Asks for the lines that this tile writes.
    #[inline(always)]
    fn ask_for<S: Simd, const M: usize, const V: usize>(&self, out: &Out<'_>) {
        for i in 0..M {
            for v in 0..V {
                let place = (self.row + i) * out.stride + self.first + v * S::F32_LANES;
                prefetch(out.data.wrapping_add(place));
            }
        }
    }

    #[inline(always)]
    fn run<S: Simd, const M: usize, const V: usize>(&self, simd: S) {
        if self.to - self.from >= WORTH_ASKING {
            self.ask_for::<S, M, V>(self.part.out);
            if let Some(second) = self.part.second {
                self.ask_for::<S, M, V>(second);
            }
        }
        let mut sums = [[simd.splat_f32s(0.); V]; M];
        for (i, row) in sums.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = self.start(simd, self.row + i, v * S::F32_LANES);
            }
        }
        self.add_products(simd, &mut sums);
        let (part, complete) = (self.part, self.to == self.part.right.depth);
        for (i, row) in sums.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                let (row, column) = (self.row + i, v * S::F32_LANES);
                if complete {
                    let (value, second) = part.finish.finish(simd, row, self.first + column, sum);
                    self.store::<S>(part.out, row, column, value);
                    if let Some(out) = part.second {
                        self.store::<S>(out, row, column, second);
                    }
                } else {
                    self.store::<S>(part.out, row, column, sum);
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
        let left = self.part.left;
        // SAFETY: `check` has seen that every i · row + k · column lies within
        // `left`; `weights` ends with V registers in the last of its rows.
        unsafe {
            let mut a = left.data.as_ptr().add(self.row * left.row + self.from * left.column);
            let mut b = self.weights.as_ptr();
            for _ in self.from..self.to {
                let mut weights = [simd.splat_f32s(0.); V];
                for (v, weight) in weights.iter_mut().enumerate() {
                    *weight = b.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*a.add(i * left.row));
                    for (sum, weight) in row.iter_mut().zip(weights) {
                        *sum = multiply_add(simd, x, weight, *sum);
                    }
                }
                a = a.wrapping_add(left.column);
                b = b.wrapping_add(self.step);
            }
        }
    }

    /// What the sum at this row and the panel's column `column` goes on from.
    #[inline(always)]
    fn start<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        let at = self.first + column;
        if self.from > 0 {
            let used = S::F32_LANES.min(self.used.saturating_sub(column));
            let so_far = self.written(self.part.out, row, column, used);
            return match S::as_simd_f32s(so_far).0 {
                [whole] => *whole,
                _ => simd.partial_load_f32s(so_far),
            };
        }
        match self.part.start {
            Start::Zero => simd.splat_f32s(0.),
            Start::Bias(bias) => load::<S>(bias, at),
            Start::Onto(onto) => load::<S>(onto.row(row), at),
            Start::BiasOnto(bias, onto) => {
                simd.add_f32s(load::<S>(bias, at), load::<S>(onto.row(row), at))
            }
        }
    }

    /// Writes a register to the panel's columns from `column` on, as far as the
    /// product has them.
    #[inline(always)]
    fn store<S: Simd>(&self, out: &Out<'_>, row: usize, column: usize, value: S::f32s) {
        let used = S::F32_LANES.min(self.used.saturating_sub(column));
        let target = self.written(out, row, column, used);
        match S::as_mut_simd_f32s(target).0 {
            [whole] => *whole = value,
            _ => target.copy_from_slice(&bytemuck::cast_slice(&[value])[..used]),
        }
    }

    /// `used` numbers of this row from the panel's column `column` on.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn written<'o>(
        &self,
        out: &'o Out<'_>,
        row: usize,
        column: usize,
        used: usize,
    ) -> &'o mut [f32] {
        let place = row * out.stride + self.first + column;
        assert!(place + used <= out.len || used == 0);
        // SAFETY: within the memory by the line above; this thread alone has
        // this row of these columns, and lets go of the slice at once.
        unsafe { std::slice::from_raw_parts_mut(out.data.wrapping_add(place), used) }
    }
}
