//! Matrix products, the only unsafe code here.
//!
//! Every element is one chain of multiply-adds in the order of the inner
//! dimension, whatever tile, panel or thread it falls to: so a row's result is
//! the same to the last bit alone, in a batch, and on any number of threads.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;
mod tile;

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::array::{Array, padded};
use super::panels::Panels;
use super::threads::Threads;
use tile::Part;

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

/// The right-hand side, `[depth, columns]`.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    data: &'a [f32],
    depth: usize,
    columns: usize,
    /// From one row to the next; of packed panels, each panel's own width.
    stride: Option<usize>,
}

impl<'a> Right<'a> {
    pub fn packed(panels: &'a Panels) -> Self {
        let (depth, columns) = (panels.depth, panels.columns);
        Self { data: panels.as_slice(), depth, columns, stride: None }
    }

    /// Rows as they lie, each with its columns' padding.
    pub fn rows(data: &'a [f32], depth: usize, columns: usize, stride: usize) -> Self {
        assert!((depth - 1) * stride + padded(columns) <= data.len(), "too short on the right");
        Self { data, depth, columns, stride: Some(stride) }
    }

    /// The first number of a panel and the step from row to row.
    #[inline(always)]
    fn panel(&self, first: usize, width: usize) -> (&'a [f32], usize) {
        match self.stride {
            None => (&self.data[first * self.depth..][..width * self.depth], width),
            Some(stride) => (&self.data[first..], stride),
        }
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
    let isa = right.isa;
    let panels = padded(right.columns).div_ceil(isa.panel());
    let right = Right::packed(right);
    let whole = Part { left, right, start, out, second, finish, rows: 0..0, panels: 0..0 };
    whole.check();
    let part = |rows: Range<usize>, panels: Range<usize>| {
        isa.run(Part { rows, panels, ..whole.clone() });
    };
    let work = left.rows * right.depth * right.columns;
    match threads.share(work) {
        1 => part(0..left.rows, 0..panels),
        // Each thread that has some of the rows reads all the weights: few rows
        // are better shared by panels.
        n if left.rows < 32 * n => threads.split(panels, n, |panels| part(0..left.rows, panels)),
        n => threads.split(left.rows, n, |rows| part(rows, 0..panels)),
    }
}

/// `out = left · right` on this thread, within a kernel.
#[inline(always)]
pub fn product<S: Simd>(simd: S, left: Left<'_>, right: Right<'_>, out: &Out<'_>) {
    let (rows, panels) = (0..left.rows, 0..usize::MAX);
    let (start, finish) = (Start::Zero, &Sum);
    let part = Part { left, right, start, out, second: None, finish, rows, panels };
    part.check();
    part.with_simd(simd);
}
