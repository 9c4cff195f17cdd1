//! Rows moved, added, multiplied and averaged.

use std::ops::Range;

use super::array::Array;

/// `combine(x, y)`, element by element, over the rows of `x`.
pub fn zip(x: &Array, y: &Array, combine: impl Fn(f32, f32) -> f32) -> Array {
    let mut out = Array::take(x.rows, x.width);
    let pairs = x.as_slice().iter().zip(y.as_slice());
    for (out, (x, y)) in out.as_mut_slice().iter_mut().zip(pairs) {
        *out = combine(*x, *y);
    }
    out
}

/// The mean of each range of rows, summed in f64 in their order.
pub fn means(x: &Array, ranges: &[Range<usize>]) -> Array {
    let mut means = Array::zeros(ranges.len(), x.width);
    let mut sums = vec![0.; x.width];
    for (i, range) in ranges.iter().enumerate() {
        sums.fill(0.);
        for row in range.clone() {
            sums.iter_mut().zip(x.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let count = range.len() as f64;
        for (mean, sum) in means.row_mut(i).iter_mut().zip(&sums) {
            *mean = (sum / count) as f32;
        }
    }
    means
}

/// Gradient at the means → at the rows.
pub fn means_vjp(grad: &Array, ranges: &[Range<usize>]) -> Array {
    let total = ranges.last().map_or(0, |range| range.end);
    let mut out = Array::zeros(total, grad.width);
    for (i, range) in ranges.iter().enumerate() {
        let share = 1. / range.len() as f32;
        for row in range.clone() {
            let pairs = out.row_mut(row).iter_mut().zip(grad.row(i));
            pairs.for_each(|(out, grad)| *out = grad * share);
        }
    }
    out
}

/// The rows `places` of `x`, in that order.
pub fn gather(x: &Array, places: &[usize]) -> Array {
    let mut rows = Array::take(places.len(), x.width);
    for (i, &place) in places.iter().enumerate() {
        rows.row_mut(i).copy_from_slice(x.row(place));
    }
    rows
}

/// The rows of `x` at `places`, zeros elsewhere.
pub fn spread(x: &Array, places: &[usize], total: usize) -> Array {
    let mut rows = Array::zeros(total, x.width);
    for (i, &place) in places.iter().enumerate() {
        rows.row_mut(place).copy_from_slice(x.row(i));
    }
    rows
}
