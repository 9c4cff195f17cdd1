//! Pools a row's states into one vector.

use std::ops::Range;

use super::array::Array;
use crate::blocks::Pool;

/// The row of the maximum of each dimension, per range; empty without max pooling.
pub struct Pooled {
    argmax: Vec<Vec<usize>>,
}

/// Pools each range in every mode of `pool`, concatenated. Sums in f64, in row order.
pub fn pool(x: &Array, pool: &Pool, ranges: &[Range<usize>]) -> (Array, Pooled) {
    let width = x.width;
    let mut out = Array::zeros(ranges.len(), width * pool.modes.len());
    let mut argmax = Vec::new();
    for (i, range) in ranges.iter().enumerate() {
        for (mode, out) in pool.modes.iter().zip(out.row_mut(i).chunks_mut(width)) {
            match pool.weights(*mode, range.len()) {
                Some(weights) => sum(x, range, &weights, out),
                None => {
                    let rows = maxima(x, range);
                    let pairs = out.iter_mut().zip(&rows).enumerate();
                    pairs.for_each(|(column, (out, &row))| *out = x.row(row)[column]);
                    argmax.resize(ranges.len(), Vec::new());
                    argmax[i] = rows;
                }
            }
        }
    }
    (out, Pooled { argmax })
}

fn sum(x: &Array, range: &Range<usize>, weights: &[f64], out: &mut [f32]) {
    let mut sums = vec![0.; x.width];
    for (row, weight) in range.clone().zip(weights) {
        sums.iter_mut().zip(x.row(row)).for_each(|(sum, x)| *sum += weight * f64::from(*x));
    }
    out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as f32);
}

/// Returns the row of each column's maximum, the first of equal ones.
fn maxima(x: &Array, range: &Range<usize>) -> Vec<usize> {
    let mut rows = vec![range.start; x.width];
    for row in range.clone() {
        for (column, best) in rows.iter_mut().enumerate() {
            if x.row(row)[column] > x.row(*best)[column] {
                *best = row;
            }
        }
    }
    rows
}

/// Gradient at the vectors → at the rows. Ranges are contiguous.
pub fn pool_vjp(grad: &Array, pool: &Pool, saved: &Pooled, ranges: &[Range<usize>]) -> Array {
    let width = grad.width / pool.modes.len();
    let total = ranges.last().map_or(0, |range| range.end);
    let mut out = Array::zeros(total, width);
    for (i, range) in ranges.iter().enumerate() {
        for (mode, grad) in pool.modes.iter().zip(grad.row(i).chunks(width)) {
            match pool.weights(*mode, range.len()) {
                Some(weights) => {
                    for (row, weight) in range.clone().zip(weights) {
                        let pairs = out.row_mut(row).iter_mut().zip(grad);
                        pairs.for_each(|(out, grad)| *out += grad * weight as f32);
                    }
                }
                None => {
                    for (column, (&row, grad)) in saved.argmax[i].iter().zip(grad).enumerate() {
                        out.row_mut(row)[column] += grad;
                    }
                }
            }
        }
    }
    out
}
