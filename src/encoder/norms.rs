//! Norm-based attention (Kobayashi et al. 2020, arXiv:2004.10102). A weight α scales the vector
//! `f(x)` that a key contributes to a query, so it says little where that vector is short.

use super::layer::{Layer, OutputTokens, Saved};
use crate::backend::Backend;
use crate::rows::{AttentionMap, MapHeads, dot, norm};

impl<B: Backend> Layer<B> {
    /// Returns, for one row, `α ‖f(x)‖` per head, `[heads, tokens, tokens]`, or
    /// `‖Σ_heads α f(x)‖`, `[1, tokens, tokens]`.
    pub fn norms(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        row: usize,
        heads: MapHeads,
    ) -> Result<AttentionMap, B::Error> {
        let weights = b.attention_weights(&saved.attended, row)?;
        let vectors = self.vectors(b, saved, outputs, row)?;
        Ok(match heads {
            MapHeads::Each => per_head(weights, &vectors),
            MapHeads::Together => summed(&weights, &vectors),
            MapHeads::Sums => per_head(weights, &vectors).sums(),
        })
    }

    /// Returns `f(x) = (x W_V + b_V) W_O` per key and head, `[keys][heads][hidden]`; the output
    /// bias belongs to no key.
    pub(super) fn vectors(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        row: usize,
    ) -> Result<Vec<Vec<Vec<f64>>>, B::Error> {
        let heads = self.attention.heads;
        let values = b.attention_values(&saved.attended, outputs.spans(), row)?;
        let masked = |value: &Vec<f64>, head: usize| {
            let mut masked = vec![0.; value.len()];
            let part = head * heads.size..(head + 1) * heads.size;
            masked[part.clone()].copy_from_slice(&value[part]);
            masked
        };
        let bias = self.output_bias(b)?;
        let without_bias = |row: Vec<f64>| row.iter().zip(&bias).map(|(x, b)| x - b).collect();
        let of_key = |value: &Vec<f64>| {
            let parts: Vec<Vec<f64>> = (0..heads.count).map(|head| masked(value, head)).collect();
            let vectors = b.linear(&self.attention_output, &b.array(&parts)?, None)?;
            Ok(b.rows(&vectors)?.into_iter().map(without_bias).collect())
        };
        values.iter().map(of_key).collect()
    }

    /// Returns the bias of the attention output, `[hidden]`.
    pub(super) fn output_bias(&self, b: &B) -> Result<Vec<f64>, B::Error> {
        let heads = self.attention.heads;
        let zeros = b.array(&[vec![0.; heads.count * heads.size]])?;
        Ok(b.rows(&b.linear(&self.attention_output, &zeros, None)?)?.concat())
    }
}

fn per_head(weights: AttentionMap, vectors: &[Vec<Vec<f64>>]) -> AttentionMap {
    let (tokens, cells) = (weights.tokens, weights.tokens * weights.tokens);
    let lengths: Vec<Vec<f64>> =
        vectors.iter().map(|heads| heads.iter().map(|f| norm(f)).collect()).collect();
    weights.map(|i, weight| weight * lengths[i % tokens][i / cells])
}

/// Uses `‖Σ α f‖² = Σ α α' f f'` with the dot products per key: heads² numbers per pair of tokens
/// instead of heads × hidden.
fn summed(weights: &AttentionMap, vectors: &[Vec<Vec<f64>>]) -> AttentionMap {
    let (heads, tokens) = (weights.heads, weights.tokens);
    let products: Vec<Vec<f64>> = vectors
        .iter()
        .map(|key| key.iter().flat_map(|f| key.iter().map(|g| dot(f, g))).collect())
        .collect();
    let length = |query: usize, key: usize| {
        let alpha: Vec<f64> = (0..heads)
            .map(|head| weights.weights[(head * tokens + query) * tokens + key])
            .collect();
        let along = products[key].chunks(heads).zip(&alpha).map(|(row, a)| a * dot(row, &alpha));
        along.sum::<f64>().max(0.).sqrt()
    };
    let pairs = (0..tokens).flat_map(|query| (0..tokens).map(move |key| (query, key)));
    let weights = pairs.map(|(query, key)| length(query, key)).collect();
    AttentionMap { heads: 1, tokens, weights }
}
