//! Attention by what it moves (Kobayashi et al. 2020, arXiv:2004.10102): a
//! weight α says how much of a key's vector `f(x)` goes to a query, and says
//! little where that vector is short.

use super::layer::{Layer, Saved, Wanted};
use crate::backend::Backend;
use crate::rows::{AttentionMap, MapHeads, dot, norm};

impl<B: Backend> Layer<B> {
    /// Of one row: `α ‖f(x)‖` of each head, `[heads, tokens, tokens]`, or
    /// `‖Σ_heads α f(x)‖`, `[1, tokens, tokens]`.
    pub fn norms(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        row: usize,
        heads: MapHeads,
    ) -> Result<AttentionMap, B::Error> {
        let weights = b.attention_weights(&saved.attended, row)?;
        let moved = self.moved(b, saved, wanted, row)?;
        Ok(match heads {
            MapHeads::Each => each(weights, &moved),
            MapHeads::Together => together(&weights, &moved),
        })
    }

    /// `f(x) = (x W_V + b_V) W_O` of each key and head, `[keys][heads][hidden]`;
    /// the output's bias belongs to no key.
    fn moved(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        row: usize,
    ) -> Result<Vec<Vec<Vec<f64>>>, B::Error> {
        let heads = self.attention.heads;
        let values = b.attention_values(&saved.attended, wanted.spans(), row)?;
        let alone = |value: &Vec<f64>, head: usize| {
            let mut alone = vec![0.; value.len()];
            let part = head * heads.size..(head + 1) * heads.size;
            alone[part.clone()].copy_from_slice(&value[part]);
            alone
        };
        let bias = b.rows(&b.linear(
            &self.attention_output,
            &b.array(&[vec![0.; heads.count * heads.size]])?,
            None,
        )?)?;
        let without_bias = |row: Vec<f64>| row.iter().zip(&bias[0]).map(|(x, b)| x - b).collect();
        let of_key = |value: &Vec<f64>| {
            let parts: Vec<Vec<f64>> = (0..heads.count).map(|head| alone(value, head)).collect();
            let moved = b.linear(&self.attention_output, &b.array(&parts)?, None)?;
            Ok(b.rows(&moved)?.into_iter().map(without_bias).collect())
        };
        values.iter().map(of_key).collect()
    }
}

fn each(weights: AttentionMap, moved: &[Vec<Vec<f64>>]) -> AttentionMap {
    let (tokens, square) = (weights.tokens, weights.tokens * weights.tokens);
    let sizes: Vec<Vec<f64>> =
        moved.iter().map(|heads| heads.iter().map(|f| norm(f)).collect()).collect();
    weights.map(|i, weight| weight * sizes[i % tokens][i / square])
}

/// By the products of a key's vectors with each other, `‖Σ α f‖² = Σ α α' f f'`:
/// heads² numbers for a pair of tokens instead of heads × hidden.
fn together(weights: &AttentionMap, moved: &[Vec<Vec<f64>>]) -> AttentionMap {
    let (heads, tokens) = (weights.heads, weights.tokens);
    let products: Vec<Vec<f64>> = moved
        .iter()
        .map(|key| key.iter().flat_map(|f| key.iter().map(|g| dot(f, g))).collect())
        .collect();
    let size = |query: usize, key: usize| {
        let alpha: Vec<f64> = (0..heads)
            .map(|head| weights.weights[(head * tokens + query) * tokens + key])
            .collect();
        let along = products[key].chunks(heads).zip(&alpha).map(|(row, a)| a * dot(row, &alpha));
        along.sum::<f64>().max(0.).sqrt()
    };
    let pairs = (0..tokens).flat_map(|query| (0..tokens).map(move |key| (query, key)));
    let weights = pairs.map(|(query, key)| size(query, key)).collect();
    AttentionMap { heads: 1, tokens, weights }
}
