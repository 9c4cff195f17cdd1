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

/// Every token of the rows and its neighbour number `k` of `size`, which is itself
/// in the middle, as far as the row has it.
fn neighbours(rows: &[Range<usize>], size: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    rows.iter().cloned().flat_map(move |row| {
        row.clone().flat_map(move |token| {
            let row = row.clone();
            (0..size)
                .map(move |k| (token, k, (token + k).wrapping_sub(size / 2)))
                .filter(move |(_, _, neighbour)| row.contains(neighbour))
        })
    })
}

/// Each token's channels with their neighbours side by side.
pub fn unfold(x: &Array, rows: &[Range<usize>], size: usize) -> Array {
    let mut out = Array::zeros(x.rows, x.width * size);
    for (token, k, neighbour) in neighbours(rows, size) {
        let channels = out.row_mut(token).iter_mut().skip(k).step_by(size);
        channels.zip(&x.row(neighbour)[..x.width]).for_each(|(out, x)| *out = *x);
    }
    out
}

/// Gradient at the neighbourhoods → at the tokens.
pub fn unfold_vjp(grad: &Array, rows: &[Range<usize>], size: usize) -> Array {
    let width = grad.width / size;
    let mut out = Array::zeros(grad.rows, width);
    for (token, k, neighbour) in neighbours(rows, size) {
        let channels = grad.row(token).iter().skip(k).step_by(size);
        let target = &mut out.row_mut(neighbour)[..width];
        target.iter_mut().zip(channels).for_each(|(out, grad)| *out += *grad);
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
