//! Heat maps: units of a text with their scores.

use super::colour::{Hue, Shade};
use crate::attribution::Granularity;
use crate::explanation::{Explained, Explanation};
use crate::text::{Token, Unit};

/// One explanation's scores at one granularity.
pub struct Heat<'a> {
    pub unit: Granularity,
    pub pieces: Vec<Piece<'a>>,
    pub scale: Scale,
}

/// A unit of the text and its score.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    pub text: &'a str,
    pub segment: usize,
    /// Whether a space precedes it.
    pub spaced: bool,
    pub score: f64,
}

/// The colour scale of a set of scores.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The largest magnitude, drawn in the full colour.
    pub largest: f64,
    pub signed: bool,
}

impl Scale {
    pub fn of(scores: &[f64], signed: bool) -> Self {
        Self { largest: scores.iter().fold(0., |max: f64, score| max.max(score.abs())), signed }
    }

    pub fn shade(self, score: f64) -> Shade {
        let depth = if self.largest > 0. { score.abs() / self.largest } else { 0. };
        let hue = match self.signed {
            false => Hue::Amount,
            true if score < 0. => Hue::Against,
            true => Hue::For,
        };
        Shade { hue, depth }
    }

    /// Formats a score with the decimals that give the largest one three significant digits.
    pub fn number(self, score: f64) -> String {
        let decimals = match self.largest > 0. {
            true => (2. - self.largest.log10().floor()).clamp(0., 9.) as usize,
            false => 0,
        };
        match self.signed {
            true => format!("{score:+.decimals$}"),
            false => format!("{score:.decimals$}"),
        }
    }
}

impl<'a> Heat<'a> {
    /// Returns one heat map per granularity with scores, words first and tokens last.
    pub fn all(explained: &'a Explained, explanation: &Explanation) -> Vec<Self> {
        const ORDER: [Granularity; 4] =
            [Granularity::Word, Granularity::Span, Granularity::Sentence, Granularity::Token];
        let heats = ORDER.into_iter().filter_map(|unit| {
            let (_, scores) = explanation.scores.iter().find(|(other, _)| *other == unit)?;
            let scale = Scale::of(scores, explanation.method.signed);
            Some(Self { unit, pieces: pieces(explained, unit, scores), scale })
        });
        heats.collect()
    }

    /// Groups the pieces by input text.
    pub fn texts(&self) -> impl Iterator<Item = &[Piece<'a>]> {
        self.pieces.chunk_by(|a, b| a.segment == b.segment)
    }

    /// Returns the plural name of the units.
    pub fn name(&self) -> &'static str {
        match self.unit {
            Granularity::Token => "tokens",
            Granularity::Word => "words",
            Granularity::Sentence => "sentences",
            Granularity::Span => "spans",
        }
    }
}

fn pieces<'a>(explained: &'a Explained, unit: Granularity, scores: &[f64]) -> Vec<Piece<'a>> {
    match unit {
        Granularity::Token => token_pieces(&explained.tokens, scores),
        Granularity::Word => unit_pieces(explained.words.iter(), scores),
        Granularity::Sentence => unit_pieces(explained.sentences.iter().flatten(), scores),
        Granularity::Span => {
            unit_pieces(explained.spans.iter().flatten().map(|span| &span.unit), scores)
        }
    }
}

/// Tokens always have a space between them, so that each can be told apart.
fn token_pieces<'a>(tokens: &'a [Token], scores: &[f64]) -> Vec<Piece<'a>> {
    let piece = |(token, &score): (&'a Token, &f64)| Piece {
        text: &token.text,
        segment: token.segment,
        spaced: true,
        score,
    };
    tokens.iter().zip(scores).map(piece).collect()
}

fn unit_pieces<'a>(units: impl Iterator<Item = &'a Unit>, scores: &[f64]) -> Vec<Piece<'a>> {
    let mut previous_end = (0, 0);
    let piece = |(unit, &score): (&'a Unit, &f64)| {
        let spaced = (unit.segment, unit.start) != previous_end;
        previous_end = (unit.segment, unit.end);
        Piece { text: &unit.text, segment: unit.segment, spaced, score }
    };
    units.zip(scores).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_depend_on_the_largest_score() {
        let number = |largest, score| Scale { largest, signed: true }.number(score);
        assert_eq!(number(0.827, 0.2591447), "+0.259");
        assert_eq!(number(12.3, -4.56), "-4.6");
        assert_eq!(number(4e-5, 1.23456e-5), "+0.0000123");
        assert_eq!(number(0., 0.), "+0");
        assert_eq!(number(1e30, 1.), "+1");
    }
}
