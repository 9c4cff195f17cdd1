//! Scores beside the units of the text that they are for, ready to be coloured.

use super::colour::{Hue, Shade};
use crate::attribution::Granularity;
use crate::explanation::{Explained, Explanation};
use crate::text::{Token, Unit};

/// One explanation's scores of one kind of unit.
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
    /// Whether white space is before it.
    pub apart: bool,
    pub score: f64,
}

/// What scores are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The largest magnitude: it has the full colour.
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

    /// A score with as many digits as tell it from the largest.
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
    /// One for each kind of unit that has scores, words first and tokens last.
    pub fn all(explained: &'a Explained, explanation: &Explanation) -> Vec<Self> {
        const ORDER: [Granularity; 4] =
            [Granularity::Word, Granularity::Span, Granularity::Sentence, Granularity::Token];
        let found = ORDER.into_iter().filter_map(|unit| {
            let (_, scores) = explanation.scores.iter().find(|(other, _)| *other == unit)?;
            let scale = Scale::of(scores, explanation.method.signed);
            Some(Self { unit, pieces: pieces(explained, unit, scores), scale })
        });
        found.collect()
    }

    /// The pieces of each text.
    pub fn texts(&self) -> impl Iterator<Item = &[Piece<'a>]> {
        self.pieces.chunk_by(|a, b| a.segment == b.segment)
    }

    /// What its units are called.
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
        Granularity::Token => of_tokens(&explained.tokens, scores),
        Granularity::Word => of_units(explained.words.iter(), scores),
        Granularity::Sentence => of_units(explained.sentences.iter().flatten(), scores),
        Granularity::Span => {
            of_units(explained.spans.iter().flatten().map(|span| &span.unit), scores)
        }
    }
}

/// Tokens stand apart, that each be seen.
fn of_tokens<'a>(tokens: &'a [Token], scores: &[f64]) -> Vec<Piece<'a>> {
    let piece = |(token, &score): (&'a Token, &f64)| Piece {
        text: &token.text,
        segment: token.segment,
        apart: true,
        score,
    };
    tokens.iter().zip(scores).map(piece).collect()
}

fn of_units<'a>(units: impl Iterator<Item = &'a Unit>, scores: &[f64]) -> Vec<Piece<'a>> {
    let mut before = (0, 0);
    let piece = |(unit, &score): (&'a Unit, &f64)| {
        let apart = (unit.segment, unit.start) != before;
        before = (unit.segment, unit.end);
        Piece { text: &unit.text, segment: unit.segment, apart, score }
    };
    units.zip(scores).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_of_their_scale() {
        let number = |largest, score| Scale { largest, signed: true }.number(score);
        assert_eq!(number(0.827, 0.2591447), "+0.259");
        assert_eq!(number(12.3, -4.56), "-4.6");
        assert_eq!(number(4e-5, 1.23456e-5), "+0.0000123");
        assert_eq!(number(0., 0.), "+0");
        assert_eq!(number(1e30, 1.), "+1");
    }
}
