//! How much each token contributes to each state after the attention block: attention, residual
//! connection and, where the model has it, the layer norm after them.
//!
//! The block's output at query i is `Σ_j T_i(x_j)` plus biases, with
//! `T_i(x_j) = L(Σ_h α^h_ij f^h(x_j) + [i = j] x_i) / σ_i` and `L(v) = γ (v - mean(v))`, where `σ_i`
//! is the layer norm's standard deviation at i. Without a norm after the block, `L` and `σ` are 1.

use rayon::prelude::*;

use super::block_norm::BlockNorm;
use super::layer::{Layer, OutputTokens, Saved};
use crate::backend::Backend;
use crate::rows::{AttentionMap, MapKind, norm, shares};

/// What the keys of one query contribute to its state.
struct Contributions {
    /// `T_i(x_j)`, `[keys][hidden]`.
    parts: Vec<Vec<f64>>,
    /// The state after the block, `[hidden]`.
    output: Vec<f64>,
}

impl<B: Backend> Layer<B> {
    /// Returns, for one row with the input states `x`, the map of this kind, `[1, tokens, tokens]`.
    pub fn mixing(
        &self,
        b: &B,
        x: &B::Array,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        row: usize,
        kind: MapKind,
    ) -> Result<AttentionMap, B::Error> {
        let weights = b.attention_weights(&saved.attended, row)?;
        let vectors = self.vectors(b, saved, outputs, row)?;
        let tokens: Vec<usize> = outputs.spans()[row].keys.clone().collect();
        let states = b.rows(&b.gather(x, &tokens)?)?;
        let bias = self.output_bias(b)?;
        let of_query = |query: usize| {
            let parts = parts(&weights, &vectors, query, &states[query]);
            let all = normed(self.block_norm.as_ref(), parts, &bias);
            match kind {
                MapKind::Alti => all.shares(),
                _ => all.parts.iter().map(|part| norm(part)).collect(),
            }
        };
        let rows: Vec<Vec<f64>> = (0..weights.tokens).into_par_iter().map(of_query).collect();
        Ok(AttentionMap { heads: 1, tokens: weights.tokens, weights: rows.concat() })
    }
}

/// Returns `Σ_h α^h_ij f^h(x_j) + [i = j] x_i` for every key, `[keys][hidden]`.
fn parts(
    weights: &AttentionMap,
    vectors: &[Vec<Vec<f64>>],
    query: usize,
    state: &[f64],
) -> Vec<Vec<f64>> {
    let tokens = weights.tokens;
    let of_key = |(key, heads): (usize, &Vec<Vec<f64>>)| {
        let mut part = if key == query { state.to_vec() } else { vec![0.; state.len()] };
        for (head, vector) in heads.iter().enumerate() {
            let weight = weights.weights[(head * tokens + query) * tokens + key];
            part.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * x);
        }
        part
    };
    vectors.iter().enumerate().map(of_key).collect()
}

/// Passes the parts of a state through the layer norm, with the state's own deviation.
fn normed(norm: Option<&BlockNorm>, mut parts: Vec<Vec<f64>>, bias: &[f64]) -> Contributions {
    let mut sum = bias.to_vec();
    for part in &parts {
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    let Some(norm) = norm else { return Contributions { parts, output: sum } };
    let deviation = norm.deviation(&sum);
    parts.iter_mut().chain([&mut sum]).for_each(|part| norm.apply(part, deviation));
    sum.iter_mut().zip(&norm.bias).for_each(|(x, bias)| *x += bias);
    Contributions { parts, output: sum }
}

impl Contributions {
    /// Returns ALTI's contributions: `max(0, ‖y‖₁ - ‖y - T(x_j)‖₁)`, divided by their sum. If none
    /// brings the state nearer, all are 0: the formula is 0 / 0, and every numerator is 0.
    fn shares(&self) -> Vec<f64> {
        let size: f64 = self.output.iter().map(|x| x.abs()).sum();
        let near = |part: &Vec<f64>| {
            let distance: f64 = self.output.iter().zip(part).map(|(y, x)| (y - x).abs()).sum();
            (size - distance).max(0.)
        };
        shares(self.parts.iter().map(near).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_are_shares_of_what_brings_the_state_nearer() {
        let parts = vec![vec![3., 0.], vec![0., 1.], vec![-1., 0.]];
        let all = Contributions { parts, output: vec![2., 1.] };
        // ‖y‖₁ = 3; the distances are 2, 2 and 4.
        assert_eq!(all.shares(), [0.5, 0.5, 0.]);
    }

    /// Parts that cancel leave nothing to divide.
    #[test]
    fn shares_are_zero_where_nothing_contributes() {
        let parts = vec![vec![5., -5.], vec![-5., 5.]];
        let all = Contributions { parts, output: vec![0., 0.] };
        assert_eq!(all.shares(), [0., 0.]);
    }
}
