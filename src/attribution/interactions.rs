//! Scores of pairs of units.

use std::borrow::Cow;
use std::collections::HashMap;

use super::perturbation::{self, Place, UnitKind, Units};
use crate::text::Encoding;

/// What pairs of units do beyond what each does alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    pub unit: UnitKind,
    pub pairs: Pairs,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pairs {
    /// Pairs among all units, largest magnitude first.
    Ranked(Vec<PairScore>),
    /// Each unit of one text with each of the other.
    Between {
        /// The units of each text: indices among the tokens, words, sentences or spans.
        units: [Vec<usize>; 2],
        /// `[units of the first text, units of the second]`
        scores: Vec<Vec<f64>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairScore {
    /// Indices among the tokens, words, sentences or spans.
    pub units: [usize; 2],
    pub score: f64,
    pub standard_error: f64,
}

impl Pairs {
    /// Creates pairs among all units.
    pub fn among_all(pairs: Vec<PairScore>) -> Self {
        Self::Ranked(sorted(pairs))
    }

    /// Returns the largest magnitude; 0 without pairs.
    pub fn largest(&self) -> f64 {
        match self {
            Self::Ranked(pairs) => pairs.first().map_or(0., |pair| pair.score.abs()),
            Self::Between { scores, .. } => {
                scores.iter().flatten().fold(0., |most, score| most.max(score.abs()))
            }
        }
    }

    /// Returns all pairs, largest magnitude first.
    pub fn ranked(&self) -> Cow<'_, [PairScore]> {
        match self {
            Self::Ranked(pairs) => Cow::Borrowed(pairs),
            Self::Between { units: [first, second], scores } => {
                let of_row = |(&one, row): (&usize, &Vec<f64>)| {
                    let pair = |(&other, &score)| PairScore {
                        units: [one, other],
                        score,
                        standard_error: 0.,
                    };
                    second.iter().zip(row).map(pair).collect::<Vec<_>>()
                };
                let pairs = first.iter().zip(scores).flat_map(of_row).collect();
                Cow::Owned(sorted(pairs))
            }
        }
    }
}

fn sorted(mut pairs: Vec<PairScore>) -> Vec<PairScore> {
    let magnitude = |pair: &PairScore| pair.score.abs();
    pairs.sort_by(|a, b| magnitude(b).total_cmp(&magnitude(a)).then(a.units.cmp(&b.units)));
    pairs
}

/// How many pairs of a unit of one text with a unit of the other there are, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnitPairs {
    pub tokens: usize,
    pub words: usize,
    pub sentences: usize,
}

impl UnitPairs {
    /// Counts those of a text and its pair, if they are read together.
    pub fn of(encoding: &Encoding) -> Self {
        let pairs = |kind| (0..2).map(|text| of_text(encoding, kind, text).len()).product();
        let [tokens, words, sentences] =
            [UnitKind::Token, UnitKind::Word, UnitKind::Sentence].map(pairs);
        Self { tokens, words, sentences }
    }

    /// Returns the most that any texts of so many tokens have.
    pub fn at_most(tokens: usize) -> Self {
        let pairs = tokens * tokens / 4;
        Self { tokens: pairs, words: pairs, sentences: pairs }
    }

    pub fn by(self, kind: UnitKind) -> usize {
        match kind {
            UnitKind::Token => self.tokens,
            UnitKind::Word => self.words,
            UnitKind::Sentence => self.sentences,
            // Only one of two texts has spans.
            UnitKind::Span => 0,
        }
    }
}

/// Returns the indices of the units of one text, among all units of their kind.
pub fn of_text(encoding: &Encoding, kind: UnitKind, segment: usize) -> Vec<usize> {
    let places = perturbation::places(encoding, kind).into_iter();
    places.filter(|place| place.segment == segment).map(|place| place.index).collect()
}

/// Returns the index of each perturbed unit, among all units of their kind.
pub fn indices(encoding: &Encoding, kind: UnitKind, units: &Units) -> Vec<usize> {
    let of_place = |place: Place| place.tokens.into_iter().map(move |token| (token, place.index));
    let places = perturbation::places(encoding, kind).into_iter();
    let of_token: HashMap<usize, usize> = places.flat_map(of_place).collect();
    let index = |tokens: &Vec<usize>| tokens.first().and_then(|first| of_token.get(first));
    units.tokens.iter().map(|tokens| index(tokens).copied().unwrap_or_default()).collect()
}
