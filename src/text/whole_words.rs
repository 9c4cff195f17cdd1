//! Pieces of a vocabulary that are words by themselves.

use super::TextEncoder;
use crate::script::is_han;

/// What pieces that begin a word start with, in vocabularies that mark those.
const MARKS: [char; 2] = ['Ġ', '▁'];

/// What pieces that go on with one start with, in those that mark these.
const CONTINUES: &str = "##";

/// Words of English that are shorter than pieces of others mostly are.
const SHORT: [&str; 26] = [
    "am", "an", "as", "at", "be", "by", "do", "go", "he", "hi", "if", "in", "is", "it", "me", "my",
    "no", "of", "oh", "on", "or", "so", "to", "up", "us", "we",
];

/// Whether a piece of the vocabulary is a word and not a syllable that words begin with.
fn is_long_enough(text: &str) -> bool {
    let letters = text.chars().count();
    letters > 2
        || SHORT.contains(&&*text.to_lowercase())
        || (letters > 0 && text.chars().all(is_han))
}

impl TextEncoder {
    /// The word that the piece of this id is by itself; none where it is a part of words, a
    /// special token, a letter of the Latin script or no word at all.
    pub fn word(&self, id: u32) -> Option<String> {
        let piece = self.piece(id);
        let text = match piece.chars().next().filter(|first| MARKS.contains(first)) {
            Some(_) => self.decoded(id).trim().to_owned(),
            None if piece.starts_with(CONTINUES) => return None,
            None if self.marks_starts() && !piece.chars().all(is_han) => return None,
            None => piece,
        };
        (text.chars().all(char::is_alphabetic) && is_long_enough(&text)).then_some(text)
    }

    /// Every piece that is a word by itself, with its word.
    pub fn whole_words(&self) -> &[(u32, String)] {
        let find = || {
            let ids = 0..self.vocabulary() as u32;
            ids.filter_map(|id| Some((id, self.word(id)?))).collect()
        };
        self.whole_words.get_or_init(find)
    }

    fn marks_starts(&self) -> bool {
        MARKS.into_iter().any(|mark| self.piece_id(&format!("{mark}a")).is_some())
    }
}
