//! Extracts the hidden states that rows request.

use super::Pass;
use crate::backend::Backend;
use crate::rows::{StatePooling, Want};

/// Stores the final hidden states, `hidden`, for the rows that request all of them.
pub fn last<B: Backend>(
    pass: &Pass<'_, B>,
    hidden: &B::Array,
    states: &mut [Vec<f64>],
) -> Result<(), B::Error> {
    let rows = pass.packed.rows.iter().zip(&pass.packed.tokens).zip(states);
    for ((_, tokens), own) in rows.filter(|((row, _), _)| matches!(row.want, Want::States)) {
        let positions: Vec<usize> = tokens.clone().collect();
        *own = pass.b.rows(&pass.b.gather(hidden, &positions)?)?.concat();
    }
    Ok(())
}

/// Stores the pooled hidden states after `layer`, `hidden`, for the rows that request them.
pub fn pooled<B: Backend>(
    pass: &Pass<'_, B>,
    hidden: &B::Array,
    layer: usize,
    states: &mut [Vec<f64>],
) -> Result<(), B::Error> {
    for ((row, tokens), own) in pass.packed.rows.iter().zip(&pass.packed.tokens).zip(states) {
        let Want::Pooled(requested) = row.want else { continue };
        if requested.layer != layer {
            continue;
        }
        let positions: Vec<usize> = match requested.pooling {
            StatePooling::Mean => tokens.clone().collect(),
            StatePooling::First => vec![tokens.start],
        };
        *own = mean(&pass.b.rows(&pass.b.gather(hidden, &positions)?)?);
    }
    Ok(())
}

/// Returns the sum of the rows by these factors, or their mean.
pub fn mean_by(rows: &[Vec<f64>], weights: Option<&[f64]>) -> Vec<f64> {
    let Some(weights) = weights else { return mean(rows) };
    let width = rows.first().map_or(0, Vec::len);
    let column = |index: usize| rows.iter().zip(weights).map(move |(row, w)| w * row[index]);
    (0..width).map(|index| column(index).sum()).collect()
}

pub fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    sum(rows).into_iter().map(|sum| sum / rows.len() as f64).collect()
}

pub fn sum(rows: &[Vec<f64>]) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(|index| rows.iter().map(|row| row[index]).sum()).collect()
}
