//! Elementwise operations, gather, scatter and unfold.

use std::ops::Range;

use super::array::Array;

/// Returns `combine(x, y)`, elementwise, over the rows of `x`.
pub fn zip(x: &Array, y: &Array, combine: impl Fn(f32, f32) -> f32) -> Array {
    let mut out = Array::take(x.rows, x.width);
    let pairs = x.as_slice().iter().zip(y.as_slice());
    for (out, (x, y)) in out.as_mut_slice().iter_mut().zip(pairs) {
        *out = combine(*x, *y);
    }
    out
}

/// Iterates over `(token, k, neighbour)`: each token's `k`-th of `size` neighbours within its row.
/// The middle one is the token itself.
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

/// Concatenates each channel with its neighbours around the token.
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

/// Returns the rows of `x` at `indices`, in that order.
pub fn gather(x: &Array, indices: &[usize]) -> Array {
    let mut rows = Array::take(indices.len(), x.width);
    for (i, &index) in indices.iter().enumerate() {
        rows.row_mut(i).copy_from_slice(x.row(index));
    }
    rows
}

/// Returns `[total, width]` with the rows of `x` at `indices` and zeros elsewhere.
pub fn scatter(x: &Array, indices: &[usize], total: usize) -> Array {
    let mut rows = Array::zeros(total, x.width);
    for (i, &index) in indices.iter().enumerate() {
        rows.row_mut(index).copy_from_slice(x.row(i));
    }
    rows
}
