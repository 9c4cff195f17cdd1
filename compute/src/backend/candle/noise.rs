//! Gaussian noise at word embeddings, drawn on the device: the same numbers as on the CPU.

use std::ops::Range;

use candle_core::{Result, Tensor};

use super::kernels;
use super::transfer::upload;
use crate::rows::{Layer, Noise, Row};

/// Adds the noise of rows with a noisy path at the word embeddings to `words`, `[total, hidden]`.
pub fn add(words: &Tensor, rows: &[&Row]) -> Result<Tensor> {
    let noisy = noisy(rows);
    if noisy.is_empty() {
        return Ok(words.clone());
    }
    let (total, width) = words.dims2()?;
    let (mut levels, mut states) = (vec![0.; total], vec![0; total]);
    for (noise, tokens) in &noisy {
        for (i, token) in tokens.clone().enumerate() {
            levels[token] = noise.level;
            states[token] = noise.generator.after_normals(i * width).state() as i64;
        }
    }
    let levels = upload(&levels, &[total], words)?;
    let normals = kernels::normals(&levels, &Tensor::new(states, words.device())?, width)?;
    words + normals.broadcast_mul(&(levels.unsqueeze(1)? * ranges(words, &noisy)?)?)?
}

/// Returns the noise of each row that has some, and its packed tokens: those that the path moves.
fn noisy(rows: &[&Row]) -> Vec<(Noise, Range<usize>)> {
    let mut start = 0;
    let mut found = Vec::new();
    for row in rows {
        let tokens = row.tokens.len();
        let path = row.path.as_ref().filter(|_| row.layer == Layer::WordEmbeddings);
        if let Some((noise, moved)) = path.and_then(|path| Some((path.noise?, path.moved(tokens))))
            && moved > 0
        {
            found.push((noise, start..start + moved));
        }
        start += tokens;
    }
    found
}

/// Returns the range of each noisy row's numbers, at each of its tokens, `[total, 1]`.
fn ranges(words: &Tensor, noisy: &[(Noise, Range<usize>)]) -> Result<Tensor> {
    let total = words.dim(0)?;
    let longest = noisy.iter().map(|(_, tokens)| tokens.len()).max().unwrap_or_default();
    // The tokens of each noisy row, the last one again where it is shorter; and each token's row.
    let padded = noisy.iter().flat_map(|(_, tokens)| {
        (0..longest).map(|i| (tokens.start + i).min(tokens.end - 1) as u32)
    });
    let padded: Vec<u32> = padded.collect();
    let mut of_token = vec![0u32; total];
    for (number, (_, tokens)) in noisy.iter().enumerate() {
        of_token[tokens.clone()].fill(number as u32);
    }
    let padded = Tensor::new(padded, words.device())?;
    let of_rows = |of_tokens: Tensor| -> Result<Tensor> {
        of_tokens.index_select(&padded, 0)?.reshape((noisy.len(), longest))
    };
    let ranges = (of_rows(words.max(1)?)?.max(1)? - of_rows(words.min(1)?)?.min(1)?)?;
    ranges.index_select(&Tensor::new(of_token, words.device())?, 0)?.unsqueeze(1)
}
