//! Points on the path from masks to an input. Gradients are averaged over them, because the gradient
//! at the input alone is small for words that the model is sure about (Sundararajan, Taly & Yan
//! 2017).

use crate::model::Model;
use crate::rows::{Baseline, Path};
use crate::text::Encoding;

/// Points on the path, and so gradient rows for each average.
pub const POINTS: usize = 4;

/// Returns `[tokens]`, true for those that methods may perturb.
pub fn all_content(encoding: &Encoding) -> Vec<bool> {
    (0..encoding.tokens.len()).map(|token| encoding.is_content(token)).collect()
}

/// Returns the midpoints of equal parts of the path from the input with the tokens in `masked`,
/// `[tokens]`, replaced by masks.
pub fn points(model: &Model, encoding: &Encoding, masked: &[bool]) -> Vec<Path> {
    let other = model.text.mask().or_else(|_| model.text.pad());
    let baseline = other.map_or(Baseline::Zero, |other| {
        let ids = encoding.ids.input_ids.iter().zip(masked);
        let id = |(&id, &masked): (&u32, &bool)| if masked { other } else { id };
        Baseline::Ids(ids.map(id).collect())
    });
    let alpha = |point: usize| (point as f64 + 0.5) / POINTS as f64;
    let path = |point| Path {
        baseline: baseline.clone(),
        alpha: alpha(point),
        noise: None,
        held: encoding.held,
    };
    (0..POINTS).map(path).collect()
}
