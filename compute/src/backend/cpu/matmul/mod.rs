//! Matrix products in f32. Apart from a call of instructions in `int8`, the only unsafe code of this
//! crate.
//!
//! Every element is a single chain of multiply-adds in the order of the inner dimension, whichever
//! tile, panel or thread computes it. So a row's result is bitwise identical alone, in a batch,
//! and on any number of threads.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;
mod tile;

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::array::{Array, padded};
use super::lanes::load;
use super::panels::Panels;
use super::threads::Threads;
use tile::{Part, Product, Tile};

/// The left-hand side: element `(i, k)` is at `i · row + k · column`.
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

/// The right-hand side, `[depth, columns]`.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    data: &'a [f32],
    depth: usize,
    columns: usize,
    /// The distance between rows; `None` for packed panels, whose rows are as wide as the panel.
    stride: Option<usize>,
}

impl<'a> Right<'a> {
    pub fn packed(panels: &'a Panels) -> Self {
        let (depth, columns) = (panels.depth, panels.columns);
        Self { data: panels.as_slice(), depth, columns, stride: None }
    }

    /// Unpacked rows, each including the padding of its columns.
    pub fn rows(data: &'a [f32], depth: usize, columns: usize, stride: usize) -> Self {
        assert!((depth - 1) * stride + padded(columns) <= data.len(), "right-hand side too short");
        Self { data, depth, columns, stride: Some(stride) }
    }

    /// Returns the panel's data and the distance between its rows.
    #[inline(always)]
    fn panel(&self, first: usize, width: usize) -> (&'a [f32], usize) {
        match self.stride {
            None => (&self.data[first * self.depth..][..width * self.depth], width),
            Some(stride) => (&self.data[first..], stride),
        }
    }
}

/// Some columns of an output matrix. Row `i` starts at `i · stride`.
pub struct Out<'a> {
    data: *mut f32,
    len: usize,
    stride: usize,
    columns: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: like a mutable slice, an `Out` has exclusive access to its columns while it lives;
// `&Out` is written through only inside `matmul`, whose threads have disjoint rows or columns.
unsafe impl Send for Out<'_> {}
// SAFETY: as above.
unsafe impl Sync for Out<'_> {}

impl<'a> Out<'a> {
    /// The first `columns` of each row of `stride` numbers.
    pub fn new(data: &'a mut [f32], stride: usize, columns: usize) -> Self {
        assert!(columns <= stride, "columns exceed the row's stride");
        Self { data: data.as_mut_ptr(), len: data.len(), stride, columns, memory: PhantomData }
    }

    /// A whole array, including its padding.
    pub fn of(y: &'a mut Array) -> Self {
        let stride = y.stride();
        Self::new(y.as_mut_slice(), stride, stride)
    }

    /// Splits rows of `stride` numbers into adjacent blocks of `width` columns.
    pub fn side_by_side(
        data: &'a mut [f32],
        stride: usize,
        width: usize,
    ) -> impl Iterator<Item = Self> {
        let (pointer, len) = (data.as_mut_ptr(), data.len());
        (0..stride / width).map(move |i| {
            let first = (i * width).min(len);
            // SAFETY: `first <= len`, so this is at most one past the end.
            let data = unsafe { pointer.add(first) };
            Self { data, len: len - first, stride, columns: width, memory: PhantomData }
        })
    }
}

/// The initial value of a sum.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// One number per column, padded.
    Bias(&'a [f32]),
    /// An array of the same shape as the product.
    Onto(&'a Array),
    BiasOnto(&'a [f32], &'a Array),
}

impl Start<'_> {
    /// Returns the initial sums of `row` from `column` on.
    #[inline(always)]
    pub fn at<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        match self {
            Self::Zero => simd.splat_f32s(0.),
            Self::Bias(bias) => load::<S>(bias, column),
            Self::Onto(onto) => load::<S>(onto.row(row), column),
            Self::BiasOnto(bias, onto) => {
                simd.add_f32s(load::<S>(bias, column), load::<S>(onto.row(row), column))
            }
        }
    }
}

/// An elementwise epilogue of complete sums.
pub trait Finish: Sync {
    /// Returns the values for the output and for the second output.
    fn finish<S: Simd>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        sum: S::f32s,
    ) -> (S::f32s, S::f32s);
}

/// What happens to the sums of a tile when they are complete. They have just been written, so they
/// are in the L1 cache.
///
/// Separate from the products, because these are unrolled: compiled with each epilogue, they took
/// most of the time to build this crate.
pub trait Rewrite: Sync {
    fn rewrite<S: Simd>(&self, simd: S, tile: &Tile<'_>);
}

impl<F: Finish> Rewrite for F {
    #[inline(always)]
    fn rewrite<S: Simd>(&self, simd: S, tile: &Tile<'_>) {
        tile.finish(simd, self);
    }
}

/// Keeps the sums.
pub struct Sum;

impl Rewrite for Sum {
    #[inline(always)]
    fn rewrite<S: Simd>(&self, _: S, _: &Tile<'_>) {}
}

/// Computes `out = finish(start + left · right)`; `second` receives the epilogue's second value of
/// its rows, the first ones.
pub fn matmul<F: Rewrite>(
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
    let isa = right.isa;
    let panels = padded(right.columns).div_ceil(isa.panel());
    let product = Product { left, right: Right::packed(right), start, out, second };
    product.check();
    let whole = Part { product, finish, rows: 0..0, panels: 0..0 };
    let part = |rows: Range<usize>, panels: Range<usize>| {
        isa.run(Part { rows, panels, ..whole.clone() });
    };
    let work = left.rows * product.right.depth * product.right.columns;
    match threads.count_for(work) {
        1 => part(0..left.rows, 0..panels),
        // A thread with some of the rows reads all the weights, so few rows are better split by
        // panels.
        n if left.rows < 32 * n => threads.split(panels, n, |panels| part(0..left.rows, panels)),
        n => threads.split(left.rows, n, |rows| part(rows, 0..panels)),
    }
}

/// Computes `out = left · right` on this thread, within a kernel.
#[inline(always)]
pub fn product<S: Simd>(simd: S, left: Left<'_>, right: Right<'_>, out: &Out<'_>) {
    let product = Product { left, right, start: Start::Zero, out, second: None };
    product.check();
    Part { product, finish: &Sum, rows: 0..left.rows, panels: 0..usize::MAX }.with_simd(simd);
}
