//! Groups of words whose scores are added up.

use std::collections::{BTreeMap, HashSet};

use crate::text::Unit;

/// Groups of words by name, as they are given.
pub type Groups = BTreeMap<String, Vec<String>>;

/// Groups of words by name, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lexicon(Vec<(String, HashSet<String>)>);

impl Lexicon {
    /// Checks that there are at most `limit` names and words.
    ///
    /// # Errors
    /// A message for the author of the groups.
    pub fn new(groups: &Groups, limit: usize) -> Result<Self, String> {
        let count = groups.len() + groups.values().map(Vec::len).sum::<usize>();
        if count > limit {
            return Err(format!(
                "the lexicon has {count} names and words; at most {limit} are accepted \
                 (limits.evidence_terms)"
            ));
        }
        let lower = |words: &Vec<String>| words.iter().map(|word| key(word.trim())).collect();
        Ok(Self(groups.iter().map(|(name, words)| (name.clone(), lower(words))).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names of the groups, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns for each group whether it has the word, which is in lower case.
    pub fn has(&self, word: &str) -> impl Iterator<Item = bool> {
        self.0.iter().map(move |(_, words)| words.contains(word))
    }

    /// Returns the indices of the words of each group.
    pub fn places(&self, words: &[Unit]) -> Vec<(String, Vec<usize>)> {
        if self.is_empty() {
            return Vec::new();
        }
        let words: Vec<String> = words.iter().map(|word| key(&word.text)).collect();
        let own = |group: &HashSet<String>| {
            (0..words.len()).filter(|&word| group.contains(&words[word])).collect()
        };
        self.0.iter().map(|(name, group)| (name.clone(), own(group))).collect()
    }
}

fn key(word: &str) -> String {
    word.to_lowercase()
}
