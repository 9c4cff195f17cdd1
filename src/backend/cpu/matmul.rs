//! Matrix products, the only unsafe code here.
//!
//! Every element is one chain of multiply-adds in the order of the inner
//! dimension, whatever tile, panel or thread it falls to: so a row's result is
//! the same to the last bit alone, in a batch, and on any number of threads.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::array::{Array, padded};
use super::lanes::{load, multiply_add};
use super::panels::Panels;
use super::threads::Threads;

/// The inner dimension is cut so that a panel's part stays in the first cache
/// while all rows pass over it.
const DEPTH: usize = 256;

/// The left-hand side: element `(i, k)` lies at `i · row + k · column`.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub row: usize,
    pub column: usize,
}

impl<'a> Left<'a> {
    pub fn of(x: &'a Array) -> Self {
        Self { data: x.as_slice(), rows: x.rows, row: x.stride(), column: 1 }
    }
}

/// Some columns of a matrix, to be written. Row `i` begins at `i · stride`.
pub struct Out<'a> {
    data: *mut f32,
    len: usize,
    stride: usize,
    columns: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: an `Out` is the only way to its columns while it lives, as a mutable
// slice would be; `&Out` writes only inside `matmul`, whose threads have
// disjoint rows or columns.
unsafe impl Send for Out<'_> {}
// SAFETY: as above.
unsafe impl Sync for Out<'_> {}

impl<'a> Out<'a> {
    /// `columns` of each row of `stride` numbers.
    pub fn new(data: &'a mut [f32], stride: usize, columns: usize) -> Self {
        assert!(columns <= stride, "a row has fewer columns");
        Self { data: data.as_mut_ptr(), len: data.len(), stride, columns, memory: PhantomData }
    }

    /// A whole array, padding included.
    pub fn of(y: &'a mut Array) -> Self {
        let stride = y.stride();
        Self::new(y.as_mut_slice(), stride, stride)
    }

    /// Blocks of `width` columns side by side, of each row of `stride` numbers.
    pub fn side_by_side(
        data: &'a mut [f32],
        stride: usize,
        width: usize,
    ) -> impl Iterator<Item = Self> {
        let (pointer, len) = (data.as_mut_ptr(), data.len());
        (0..stride / width).map(move |i| {
            let first = (i * width).min(len);
            // SAFETY: at most one past the end.
            let data = unsafe { pointer.add(first) };
            Self { data, len: len - first, stride, columns: width, memory: PhantomData }
        })
    }
}

/// What a sum starts from.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// One number a column, padded.
    Bias(&'a [f32]),
    /// An array of the product's shape.
    Onto(&'a Array),
    BiasOnto(&'a [f32], &'a Array),
}

/// What becomes of a sum that is complete, while it is in a register.
pub trait Finish: Sync {
    /// The product's number and, for a second product, another one.
    fn finish<S: Simd>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        sum: S::f32s,
    ) -> (S::f32s, S::f32s);
}

/// The sum itself.
pub struct Sum;

impl Finish for Sum {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, sum: S::f32s) -> (S::f32s, S::f32s) {
        (sum, sum)
    }
}

/// `out = finish(start + left · right)`; `second` takes the other number.
pub fn matmul<F: Finish>(
    threads: Threads,
    left: Left<'_>,
    right: &Panels,
    start: Start<'_>,
    out: &Out<'_>,
    second: Option<&Out<'_>>,
    finish: &F,
) {
    if left.rows == 0 {
        return;
    }
    let whole = Part { left, right, start, out, second, finish, rows: 0..0, panels: 0..0 };
    whole.check();
    let part = |rows: Range<usize>, panels: Range<usize>| {
        right.isa.run(Part { rows, panels, ..whole.clone() });
    };
    let panels = right.panels().count();
    let work = left.rows * right.depth * right.columns;
    match threads.share(work) {
        1 => part(0..left.rows, 0..panels),
        // Each thread that has some of the rows reads all the weights: few rows
        // are better shared by panels.
        n if left.rows < 32 * n => threads.split(panels, n, |panels| part(0..left.rows, panels)),
        n => threads.split(left.rows, n, |rows| part(rows, 0..panels)),
    }
}

/// A rectangle of the product.
struct Part<'a, F> {
    left: Left<'a>,
    right: &'a Panels,
    start: Start<'a>,
    out: &'a Out<'a>,
    second: Option<&'a Out<'a>>,
    finish: &'a F,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<F> Clone for Part<'_, F> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), panels: self.panels.clone(), ..*self }
    }
}

impl<F> Part<'_, F> {
    /// Everything that the unsafe code below relies on.
    fn check(&self) {
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
        for (first, width) in self.right.panels().skip(self.panels.start).take(self.panels.len()) {
            match width / S::F32_LANES {
                1 => self.panel::<S, 1>(simd, first),
                _ => self.panel::<S, 2>(simd, first),
            }
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
    /// All rows of the panel of `V` registers that begins at column `first`.
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&self, simd: S, first: usize) {
        let width = V * S::F32_LANES;
        let panel = self.right.panel(first, width);
        let used = width.min(self.out.columns.saturating_sub(first));
        for (number, weights) in panel.chunks(DEPTH * width).enumerate() {
            let from = number * DEPTH;
            let complete = from + DEPTH >= self.right.depth;
            let rows = self.rows.len();
            let tiles = rows.div_ceil(tile_rows::<S>());
            let mut row = self.rows.start;
            for i in 0..tiles {
                // Nearly equal heights: a tile of one row would be slow.
                let height = rows / tiles + usize::from(i < rows % tiles);
                let tile = Tile { part: self, weights, first, from, row, used, complete };
                tile.of_height::<S, V>(simd, height);
                row += height;
            }
        }
    }
}

/// A few rows of one panel, over one part of the inner dimension.
struct Tile<'a, F> {
    part: &'a Part<'a, F>,
    weights: &'a [f32],
    /// The panel's first column.
    first: usize,
    /// Where the part of the inner dimension begins.
    from: usize,
    row: usize,
    /// Columns of the panel that are written.
    used: usize,
    /// Whether the sums are complete afterwards.
    complete: bool,
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

    #[inline(always)]
    fn run<S: Simd, const M: usize, const V: usize>(&self, simd: S) {
        let mut sums = [[simd.splat_f32s(0.); V]; M];
        for (i, row) in sums.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = self.start(simd, self.row + i, v * S::F32_LANES);
            }
        }
        self.add_products(simd, &mut sums);
        for (i, row) in sums.into_iter().enumerate() {
            let mut second = row;
            let mut values = row;
            if self.complete {
                for v in 0..V {
                    let column = self.first + v * S::F32_LANES;
                    (values[v], second[v]) =
                        self.part.finish.finish(simd, self.row + i, column, row[v]);
                }
            }
            self.store::<S>(self.part.out, self.row + i, &values);
            if let (Some(out), true) = (self.part.second, self.complete) {
                self.store::<S>(out, self.row + i, &second);
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
        let depth = self.weights.len() / (V * S::F32_LANES);
        // SAFETY: `check` has seen that every i · row + k · column lies within
        // `left`; `weights` is `depth` times V registers long.
        unsafe {
            let mut a = left.data.as_ptr().add(self.row * left.row + self.from * left.column);
            let mut b = self.weights.as_ptr();
            for _ in 0..depth {
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
                b = b.wrapping_add(V * S::F32_LANES);
            }
        }
    }

    /// What the sum at this row and the panel's column `column` goes on from.
    #[inline(always)]
    fn start<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        let at = self.first + column;
        if self.from > 0 {
            let so_far = &self.written(self.part.out, row)[column.min(self.used)..];
            return match so_far.len() >= S::F32_LANES {
                true => load::<S>(so_far, 0),
                false => simd.partial_load_f32s(so_far),
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

    #[inline(always)]
    fn store<S: Simd>(&self, out: &Out<'_>, row: usize, values: &[S::f32s]) {
        let target = self.written(out, row);
        match S::as_mut_simd_f32s(target) {
            (whole, []) if whole.len() == values.len() => whole.copy_from_slice(values),
            _ => target.copy_from_slice(&bytemuck::cast_slice(values)[..self.used]),
        }
    }

    /// This row's numbers in this panel's columns.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn written<'o>(&self, out: &'o Out<'_>, row: usize) -> &'o mut [f32] {
        let place = row * out.stride + self.first;
        assert!(place + self.used <= out.len);
        // SAFETY: within the memory by the line above; this thread alone has
        // this row of these columns, and lets go of the slice at once.
        unsafe { std::slice::from_raw_parts_mut(out.data.add(place), self.used) }
    }
}
