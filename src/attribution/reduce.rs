//! Reduces token scores to scores of words, sentences and spans, and normalizes them.

use super::options::{OptionKind, OptionSpec, Preset};
use crate::choice::{Choice, choices};
use crate::rows::{Norm, norm};
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
    let size = size(&scores, how);
    scores.iter_mut().for_each(|score| *score /= size);
    scores
}

/// Returns the standard errors of the scores of the units of kind `unit`, scaled like the scores
/// `tokens`. `deviations` are those of an [`Attribution`](super::Attribution).
pub fn errors(
    tokens: &[f64],
    deviations: &[Vec<f64>],
    encoding: &Encoding,
    unit: Granularity,
    how: Normalize,
) -> Vec<f64> {
    let scores = scores(tokens, encoding, unit, Normalize::None);
    let size = size(&scores, how);
    let mut variances = vec![0.; scores.len()];
    for deviation in deviations {
        let sums = self::scores(deviation, encoding, unit, Normalize::None);
        variances.iter_mut().zip(sums).for_each(|(variance, sum)| *variance += sum * sum);
    }
    variances.into_iter().map(|variance| variance.sqrt() / size).collect()
}

/// Sums the token scores of each unit.
fn sums<'a>(scores: &[f64], units: impl Iterator<Item = &'a Unit>) -> Vec<f64> {
    // Starts from 0, because Rust's sum of an empty iterator is -0.
    units.map(|unit| unit.tokens.iter().fold(0., |sum, &token| sum + scores[token])).collect()
}

/// Returns the number to divide a list by, so that its L1 norm, L2 norm or largest magnitude is 1;
/// 1 for a list of zeros.
fn size(scores: &[f64], how: Normalize) -> f64 {
    let size = match how {
        Normalize::None => 1.,
        Normalize::L1 => scores.iter().map(|score| score.abs()).sum(),
        Normalize::L2 => norm(scores),
        Normalize::Max => scores.iter().fold(0., |max: f64, score| max.max(score.abs())),
    };
    if size > 0. { size } else { 1. }
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
            let size = size(&[3., -4., 0.], how);
            assert_eq!([3. / size, -4. / size, 0.], expected, "{how:?}");
        }
        assert_eq!(size(&[0., 0.], Normalize::L2), 1.);
    }
}
