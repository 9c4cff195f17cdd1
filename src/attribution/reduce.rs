//! Reduces token scores to scores of words, sentences and spans, and normalizes them.

use super::options::{OptionKind, OptionSpec, Preset};
use crate::choice::{Choice, choices};
use crate::rows::Norm;
use crate::text::{Encoding, Unit};

/// The option for how a gradient is reduced to a token's score.
pub const NORM: OptionSpec = OptionSpec {
    name: "norm",
    kind: OptionKind::Choice(Norm::NAMES),
    default: Preset::Name("l2"),
    help: "How the gradient [hidden] becomes one number: sum of magnitudes, Euclidean norm, or \
           mean of magnitudes.",
};

impl Choice for Norm {
    const NAMES: &'static [&'static str] = &["l1", "l2", "mean"];
    const ALL: &'static [Self] = &[Self::L1, Self::L2, Self::Mean];
}

/// A unit of text that scores are returned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    Token,
    Word,
    Sentence,
    /// A span that the caller marked.
    Span,
}

choices! {
    /// How a list of scores is scaled.
    pub enum Normalize { None = "none", L1 = "l1", L2 = "l2", Max = "max" }
}

/// Returns the scores of the units of kind `unit`: token scores are summed, then scaled.
pub fn scores(tokens: &[f64], encoding: &Encoding, unit: Granularity, how: Normalize) -> Vec<f64> {
    let mut scores = match unit {
        // Adding 0 turns -0, which is 0 times a negative gradient, into 0.
        Granularity::Token => tokens.iter().map(|score| score + 0.).collect(),
        Granularity::Word => sums(tokens, encoding.words.iter()),
        Granularity::Sentence => sums(tokens, encoding.sentences.iter()),
        Granularity::Span => sums(tokens, encoding.spans.iter().map(|span| &span.unit)),
    };
    normalize(&mut scores, how);
    scores
}

/// Sums the token scores of each unit.
fn sums<'a>(scores: &[f64], units: impl Iterator<Item = &'a Unit>) -> Vec<f64> {
    // Starts from 0, because Rust's sum of an empty iterator is -0.
    units.map(|unit| unit.tokens.iter().fold(0., |sum, &token| sum + scores[token])).collect()
}

/// Scales a list so that its L1 norm, L2 norm or largest magnitude is 1. A list of zeros remains
/// unchanged.
fn normalize(scores: &mut [f64], how: Normalize) {
    let size = match how {
        Normalize::None => return,
        Normalize::L1 => scores.iter().map(|score| score.abs()).sum(),
        Normalize::L2 => scores.iter().map(|score| score * score).sum::<f64>().sqrt(),
        Normalize::Max => scores.iter().fold(0., |max: f64, score| max.max(score.abs())),
    };
    if size > 0. {
        scores.iter_mut().for_each(|score| *score /= size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_norm_is_one_afterwards() {
        for (how, expected) in [
            (Normalize::None, [3., -4., 0.]),
            (Normalize::L1, [3. / 7., -4. / 7., 0.]),
            (Normalize::L2, [0.6, -0.8, 0.]),
            (Normalize::Max, [0.75, -1., 0.]),
        ] {
            let mut scores = [3., -4., 0.];
            normalize(&mut scores, how);
            assert_eq!(scores, expected, "{how:?}");
        }
        let mut zeros = [0., 0.];
        normalize(&mut zeros, Normalize::L2);
        assert_eq!(zeros, [0., 0.]);
    }
}
