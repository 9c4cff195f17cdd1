//! Propagates attention from the last layer down to the input tokens.

use crate::rows::AttentionMap;

/// A square matrix as a list of rows.
pub type Square = Vec<Vec<f64>>;

/// Returns a map with one head as a matrix, query by key.
fn matrix(map: &AttentionMap) -> Square {
    to_rows(&map.weights, map.tokens)
}

fn to_rows(weights: &[f64], tokens: usize) -> Square {
    weights.chunks(tokens).map(<[f64]>::to_vec).collect()
}

fn identity(n: usize) -> Square {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

fn product(a: &Square, b: &Square) -> Square {
    let row = |weights: &Vec<f64>| {
        let mut sum = vec![0.; b.len()];
        for (weight, row) in weights.iter().zip(b).filter(|(weight, _)| **weight != 0.) {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
        }
        sum
    };
    a.iter().map(row).collect()
}

/// Attention rollout (Abnar & Zuidema 2020): returns `R_l = A'_l R_(l-1)`, R_0 = I, of each layer.
/// The maps are means over heads, first layer first.
pub fn rollout(maps: &[AttentionMap]) -> Vec<Square> {
    let mut after: Vec<Square> = Vec::with_capacity(maps.len());
    for map in maps {
        let next = to_rows(&map.with_residual(), map.tokens);
        after.push(match after.last() {
            Some(before) => product(&next, before),
            None => next,
        });
    }
    after
}

/// Relevance (Chefer, Gur & Wolf 2021): returns `R_l = R_(l-1) + Ā_l R_(l-1)`, R_0 = I, of the last
/// layer, where Ā is the mean over heads of the positive part of `A ∂F/∂A`.
pub fn relevance(maps: &[AttentionMap]) -> Square {
    let tokens = maps.first().map_or(0, |map| map.tokens);
    maps.iter().fold(identity(tokens), |before, map| {
        let mut after = product(&matrix(map), &before);
        for (row, before) in after.iter_mut().zip(&before) {
            row.iter_mut().zip(before).for_each(|(x, before)| *x += before);
        }
        after
    })
}

/// Returns the mean of the rows of `queries`.
pub fn mean_of(square: &Square, queries: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.; square.len()];
    for &query in queries {
        mean.iter_mut().zip(&square[query]).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= queries.len().max(1) as f64);
    mean
}

/// Returns the mean of the map's rows of `queries`.
pub fn mean_of_map(map: &AttentionMap, queries: &[usize]) -> Vec<f64> {
    mean_of(&matrix(map), queries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollout_rows_sum_to_one_and_follow_the_weights() {
        let weights = vec![0., 1., 0., 0., 0., 1., 1., 0., 0.];
        let map = AttentionMap { heads: 1, tokens: 3, weights };
        let after = rollout(&[map.clone(), map]);
        assert_eq!(after[1][0], [0.25, 0.5, 0.25]);
        assert!(after.iter().flatten().all(|row| (row.iter().sum::<f64>() - 1.).abs() < 1e-12));
    }
}
