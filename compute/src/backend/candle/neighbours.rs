//! Each token beside its neighbours, for convolutions; all rows of a pass at once.

use std::ops::Range;

use candle_core::{Result, Tensor};

/// Returns the rows of `x` at `indices`, where the index after the last row means zeros.
fn rows_or_zeros(x: &Tensor, indices: Vec<u32>) -> Result<Tensor> {
    let zeros = Tensor::zeros((1, x.dim(1)?), x.dtype(), x.device())?;
    Tensor::cat(&[x, &zeros], 0)?.index_select(&Tensor::new(indices, x.device())?, 0)
}

/// Returns the packed index of the token `offset` after each token of `row`; `none` outside of it.
fn shifted(row: &Range<usize>, offset: i64, none: u32) -> impl Iterator<Item = u32> {
    let row = row.clone();
    row.clone().map(move |token| {
        let other = token as i64 + offset;
        let inside = other >= row.start as i64 && other < row.end as i64;
        if inside { other as u32 } else { none }
    })
}

/// Concatenates each channel with its `size` neighbours around the token, zeros outside the row:
/// `[total, width]` → `[total, width · size]`.
pub fn unfold(x: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
    let (total, width) = x.dims2()?;
    let at = |k: usize| {
        let offset = k as i64 - (size / 2) as i64;
        rows.iter().flat_map(|row| shifted(row, offset, total as u32)).collect()
    };
    let parts = (0..size).map(|k| rows_or_zeros(x, at(k))).collect::<Result<Vec<_>>>()?;
    Tensor::stack(&parts, 2)?.reshape((parts[0].dim(0)?, width * size))
}

/// Gradient at the neighbourhoods → at the tokens.
pub fn unfold_vjp(grad: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
    let (total, width) = (grad.dim(0)?, grad.dim(1)? / size);
    let parts = grad.reshape((total, width, size))?;
    // A token is the k-th neighbour of the token k - size/2 before it.
    let back = |k: usize| -> Result<Tensor> {
        let offset = (size / 2) as i64 - k as i64;
        let indices = rows.iter().flat_map(|row| shifted(row, offset, total as u32)).collect();
        rows_or_zeros(&parts.narrow(2, k, 1)?.squeeze(2)?.contiguous()?, indices)
    };
    let mut sum = back(0)?;
    for k in 1..size {
        sum = (sum + back(k)?)?;
    }
    Ok(sum)
}
