//! States of a row as one vector.

use std::ops::Range;

use super::array::Array;
use crate::blocks::Pool;

/// Where the largest number of each dimension is, of each range; empty where no way
/// asks for it.
pub struct Pooled {
    largest: Vec<Vec<usize>>,
}

/// Each range by each way of `pool`, side by side. Sums are in f64, in the order of
/// the rows.
pub fn pool(x: &Array, pool: &Pool, ranges: &[Range<usize>]) -> (Array, Pooled) {
    let width = x.width;
    let mut out = Array::zeros(ranges.len(), width * pool.ways.len());
    let mut largest = Vec::new();
    for (i, range) in ranges.iter().enumerate() {
        for (way, out) in pool.ways.iter().zip(out.row_mut(i).chunks_mut(width)) {
            match pool.weights(*way, range.len()) {
                Some(weights) => sum(x, range, &weights, out),
                None => {
                    let places = maxima(x, range);
                    let pairs = out.iter_mut().zip(&places).enumerate();
                    pairs.for_each(|(column, (out, &row))| *out = x.row(row)[column]);
                    largest.resize(ranges.len(), Vec::new());
                    largest[i] = places;
                }
            }
        }
    }
    (out, Pooled { largest })
}

fn sum(x: &Array, range: &Range<usize>, weights: &[f64], out: &mut [f32]) {
    let mut sums = vec![0.; x.width];
    for (row, weight) in range.clone().zip(weights) {
        sums.iter_mut().zip(x.row(row)).for_each(|(sum, x)| *sum += weight * f64::from(*x));
    }
    out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as f32);
}

/// The row of the largest number of each column, the first of equal ones.
fn maxima(x: &Array, range: &Range<usize>) -> Vec<usize> {
    let mut places = vec![range.start; x.width];
    for row in range.clone() {
        for (column, place) in places.iter_mut().enumerate() {
            if x.row(row)[column] > x.row(*place)[column] {
                *place = row;
            }
        }
    }
    places
}

/// Gradient at the vectors → at the rows; the ranges lie one after the other.
pub fn pool_vjp(grad: &Array, pool: &Pool, saved: &Pooled, ranges: &[Range<usize>]) -> Array {
    let width = grad.width / pool.ways.len();
    let total = ranges.last().map_or(0, |range| range.end);
    let mut out = Array::zeros(total, width);
    for (i, range) in ranges.iter().enumerate() {
        for (way, grad) in pool.ways.iter().zip(grad.row(i).chunks(width)) {
            match pool.weights(*way, range.len()) {
                Some(weights) => {
                    for (row, weight) in range.clone().zip(weights) {
                        let pairs = out.row_mut(row).iter_mut().zip(grad);
                        pairs.for_each(|(out, grad)| *out += grad * weight as f32);
                    }
                }
                None => {
                    for (column, (&row, grad)) in saved.largest[i].iter().zip(grad).enumerate() {
                        out.row_mut(row)[column] += grad;
                    }
                }
            }
        }
    }
    out
}
