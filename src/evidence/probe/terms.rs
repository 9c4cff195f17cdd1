//! Swaps terms for their counterparts. Each swap replaces all occurrences of one term.

use super::super::identity::Group;
use super::super::words::{self, Edit};
use super::super::{places, synonyms};
use super::plan::{Plan, Plans};
use super::{PAIRS, Property};
use crate::choice::Choice;
use crate::random::Generator;
use crate::text::Encoding;

/// Random stream of the seed that selects counterparts.
const COUNTERPARTS: u64 = 31;

/// The most places that one place is swapped for. A change of any other would say the same.
const MOST_PLACES: usize = 3;

/// Sets of interchangeable terms.
#[derive(Debug, Clone)]
pub struct Terms {
    pub property: &'static str,
    pub sets: Vec<Vec<String>>,
    /// The most counterparts that a term is swapped for, selected by the seed.
    pub counterparts: usize,
}

impl Terms {
    /// The built-in terms of a property; none if it has no terms.
    pub fn of(property: Property) -> Self {
        let (sets, counterparts) = match property {
            Property::Identity => return Self::of_groups(Group::ALL),
            Property::Synonyms => (synonyms::SETS, usize::MAX),
            Property::Places => (places::SETS, MOST_PLACES),
            Property::Case | Property::Typos | Property::Punctuation => (&[][..], 0),
        };
        Self { property: property.name(), sets: owned(sets), counterparts }
    }

    /// The terms of some groups of identity.
    pub fn of_groups(groups: &[Group]) -> Self {
        let sets = groups.iter().flat_map(|group| owned(group.sets())).collect();
        Self { property: Property::Identity.name(), sets, counterparts: usize::MAX }
    }

    /// The caller's own sets.
    pub fn of_caller(sets: Vec<Vec<String>>) -> Self {
        Self { property: PAIRS, sets, counterparts: usize::MAX }
    }
}

fn owned(sets: &[&[&str]]) -> Vec<Vec<String>> {
    sets.iter().map(|set| set.iter().map(|&term| term.to_owned()).collect()).collect()
}

/// Plans a swap of each term in the text for each of its counterparts.
pub fn plan(terms: &Terms, text: &str, encoding: &Encoding, seed: u64, into: &mut Plans) {
    // Most terms do not occur. This finds those without a comparison with every word.
    let lower = text.to_lowercase();
    let chars: Vec<char> = text.chars().collect();
    let mut generator = Generator::stream(seed, COUNTERPARTS);
    for set in &terms.sets {
        for (index, term) in set.iter().enumerate() {
            if !lower.contains(&term.to_lowercase()) {
                continue;
            }
            let occurrences = words::occurrences(text, &encoding.words, term);
            let Some(&(start, end)) = occurrences.first() else { continue };
            let from: String = chars[start..end].iter().collect();
            let others: Vec<usize> = (0..set.len()).filter(|other| *other != index).collect();
            let count = terms.counterparts.min(others.len());
            let mut chosen = generator.choose(count, others.len());
            chosen.sort_unstable();
            for other in chosen.into_iter().map(|choice| &set[others[choice]]) {
                into.push(Plan {
                    property: terms.property,
                    variant: None,
                    from: from.clone(),
                    to: other.clone(),
                    edits: edits(&chars, &occurrences, other),
                });
            }
        }
    }
}

fn edits(text: &[char], occurrences: &[(usize, usize)], to: &str) -> Vec<Edit> {
    let edit = |&(start, end): &(usize, usize)| {
        let from: String = text[start..end].iter().collect();
        Edit { start, end, to: words::cased(to, &from), from }
    };
    occurrences.iter().map(edit).collect()
}
