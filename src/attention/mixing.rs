//! How tokens mix in each layer, with all heads together: one matrix per layer, for which rows
//! besides the first pass run.

use std::sync::Arc;

use crate::attribution::Subject;
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{
    AttentionMap, Baseline, Ends, Layer, MapHeads, MapKind, Maps, Path, Row, RowOutput, TokenValue,
    Want, norm, shares,
};

/// Bytes of states that the rows of one round return.
const ROUND_BYTES: usize = 16 << 20;

/// Returns the maps of this kind, with one row per layer, so that no pass is long.
pub async fn maps(
    passes: &Passes,
    subject: Subject<'_>,
    kind: MapKind,
    layers: &[usize],
) -> Result<Vec<AttentionMap>> {
    let mut all = Vec::new();
    for &layer in layers {
        let maps = Maps { layers: vec![layer], kind, heads: MapHeads::Together };
        let row = Row { maps, ..subject.row(Want::Values(Vec::new())) };
        all.extend(passes.run_one(row).await?.attention);
    }
    Ok(all)
}

/// Returns, for each layer, the cosine distance of every token's output to that without the value
/// vectors of another token, divided by its sum over these tokens (Mohebbi et al. 2023,
/// arXiv:2301.12971).
pub async fn value_zeroing(
    passes: &Passes,
    subject: Subject<'_>,
    layers: &[usize],
) -> Result<Vec<AttentionMap>> {
    let mut all = Vec::new();
    for &layer in layers {
        all.push(zeroed_in_turn(passes, subject, layer).await?);
    }
    Ok(all)
}

async fn zeroed_in_turn(
    passes: &Passes,
    subject: Subject<'_>,
    layer: usize,
) -> Result<AttentionMap> {
    let (tokens, width) = (subject.encoding.len(), passes.model().width());
    let plain = Want::Layers(layer.max(1)..layer + 2, None);
    let mut states = states(passes.run_one(subject.row(plain)).await?);
    let output = states.pop().unwrap_or_default();
    // The first layer's rows start with the embeddings.
    let path = states.pop().filter(|_| layer > 0).map(|input| Path {
        baseline: Baseline::States(Arc::new(Ends { baseline: vec![0.; input.len()], input })),
        alpha: 1.,
        noise: None,
        held: 0,
    });
    let row = |token: usize| Row {
        layer: Layer::Hidden(layer),
        path: path.clone(),
        without_value: Some(TokenValue { layer, token }),
        ..subject.row(Want::Layers(layer + 1..layer + 2, None))
    };
    let per_round = (ROUND_BYTES / (tokens * width * size_of::<f64>()).max(1)).max(1);
    let mut distances = Vec::with_capacity(tokens);
    for first in (0..tokens).step_by(per_round) {
        let rows = (first..tokens.min(first + per_round)).map(row).collect();
        for without in passes.run(rows).await? {
            let without = states_of_one(without);
            let pairs = output.chunks(width).zip(without.chunks(width));
            distances.push(pairs.map(|(a, b)| distance(a, b)).collect::<Vec<f64>>());
        }
    }
    Ok(by_query(tokens, &distances))
}

/// Returns the states after each layer.
fn states(output: RowOutput) -> Vec<Vec<f64>> {
    output.layers.into_iter().map(|layer| layer.states).collect()
}

fn states_of_one(output: RowOutput) -> Vec<f64> {
    states(output).pop().unwrap_or_default()
}

/// Returns the cosine distance `1 - cos(a, b)` as `‖a/‖a‖ - b/‖b‖‖² / 2`, which does not cancel.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (one, other) = (norm(a), norm(b));
    if one == 0. || other == 0. {
        return 0.;
    }
    a.iter().zip(b).map(|(x, y)| (x / one - y / other).powi(2)).sum::<f64>() / 2.
}

/// Turns `[keys][queries]` into a map whose rows, of queries, have the sum 1. A query whose output
/// depends on no value has a row of zeros: the formula is 0 / 0, and every numerator is 0.
fn by_query(tokens: usize, distances: &[Vec<f64>]) -> AttentionMap {
    let of_query = |query: usize| shares(distances.iter().map(|of_key| of_key[query]).collect());
    let weights = (0..tokens).flat_map(of_query).collect();
    AttentionMap { heads: 1, tokens, weights }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the first query, no value matters: no token gets a share.
    #[test]
    fn shares_are_zero_where_nothing_contributes() {
        let map = by_query(2, &[vec![0., 1.], vec![0., 3.]]);
        assert_eq!(map.weights, [0., 0., 0.25, 0.75]);
    }

    #[test]
    fn a_state_of_zeros_has_no_distance() {
        assert_eq!(distance(&[0., 0.], &[1., 2.]), 0.);
        assert_eq!(distance(&[1., 2.], &[2., 4.]), 0.);
    }
}
