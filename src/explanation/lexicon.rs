//! Groups of words whose scores are added up.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use crate::text::Unit;

/// Groups of words by name, as they are given.
pub type Groups = BTreeMap<String, Vec<String>>;

/// Groups of words by name, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lexicon {
    groups: Vec<(String, HashSet<String>)>,
    /// Digest of the groups as they were given, by which responses are cached.
    digest: [u8; 32],
}

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
        Ok(Self {
            groups: groups.iter().map(|(name, words)| (name.clone(), lower(words))).collect(),
            digest: digest(groups),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Returns the names of the groups, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// Returns for each group whether it has the word, which is in lower case.
    pub fn has(&self, word: &str) -> impl Iterator<Item = bool> {
        self.groups.iter().map(move |(_, words)| words.contains(word))
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
        self.groups.iter().map(|(name, group)| (name.clone(), own(group))).collect()
    }
}

fn digest(groups: &Groups) -> [u8; 32] {
    let mut digest = Sha256::new();
    // Counts and lengths keep adjacent parts from running together.
    for (name, words) in groups {
        digest.update(words.len().to_le_bytes());
        for part in std::iter::once(name).chain(words) {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}

fn key(word: &str) -> String {
    word.to_lowercase()
}
