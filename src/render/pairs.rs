//! The strongest interactions of an explanation, for people.

use crate::attribution::{PairScore, UnitKind};
use crate::explanation::{Explained, Explanation};

/// Number of pairs.
const SHOWN: usize = 10;

/// A pair with the texts of its units.
pub struct NamedPair<'a> {
    pub texts: [&'a str; 2],
    pub pair: PairScore,
}

/// Returns the strongest pairs that have a score; none for methods without interactions.
pub fn strongest<'a>(explained: &'a Explained, explanation: &Explanation) -> Vec<NamedPair<'a>> {
    let Some(interactions) = &explanation.interactions else { return Vec::new() };
    let text = |unit: usize| text(explained, interactions.unit, unit);
    let pairs = interactions.pairs.ranked();
    let scored = pairs.iter().filter(|pair| pair.score != 0.).take(SHOWN);
    scored.map(|pair| NamedPair { texts: pair.units.map(text), pair: *pair }).collect()
}

/// Returns the text of a unit.
pub fn text(explained: &Explained, kind: UnitKind, unit: usize) -> &str {
    let found = match kind {
        UnitKind::Token => explained.tokens.get(unit).map(|token| &token.text),
        UnitKind::Word => explained.words.get(unit).map(|word| &word.text),
        UnitKind::Sentence => {
            explained.sentences.as_ref().and_then(|all| all.get(unit)).map(|one| &one.text)
        }
        UnitKind::Span => {
            explained.spans.as_ref().and_then(|all| all.get(unit)).map(|one| &one.unit.text)
        }
    };
    found.map_or("", |text| text)
}

/// Returns the number of a pair with its standard error, if it has one.
pub fn number(pair: &PairScore) -> String {
    match pair.standard_error {
        0. => format!("{:+.4}", pair.score),
        error => format!("{:+.4} ± {error:.4}", pair.score),
    }
}
