//! Typing errors: two neighbouring letters of one word swapped (Belinkov & Bisk 2018,
//! arXiv:1711.02173).

use super::super::words::{self, Edit};
use super::Property;
use super::plan::{Plan, Plans};
use crate::choice::Choice;
use crate::model::Model;
use crate::random::Generator;
use crate::text::{Encoding, Unit};

/// Random stream of the seed that selects words and letters.
const TYPOS: u64 = 30;

/// The most typos per text, each in a text of its own.
const MOST_TYPOS: usize = 5;

/// The fewest letters of a word with a typo. People still read a longer word correctly.
const SHORTEST: usize = 5;

/// Words that decide the meaning of what follows, so that a reader needs them.
const NEEDED: [&str; 10] = [
    "never", "nothing", "nobody", "nowhere", "neither", "without", "cannot", "hardly", "barely",
    "scarcely",
];

/// What vocabularies put before a piece that begins a word.
const MARKS: [&str; 3] = ["", "Ġ", "▁"];

/// Plans typos in different words, one per text. The first and the last letter stay, and the
/// result is not a word that the model knows: that would be another text, not a typo.
pub fn plan(model: &Model, encoding: &Encoding, seed: u64, into: &mut Plans) {
    let words: Vec<&Unit> =
        words::changeable(encoding).into_iter().filter(|word| is_suitable(&word.text)).collect();
    let mut generator = Generator::stream(seed, TYPOS);
    let order = generator.choose(words.len(), words.len());
    let plan = |index: usize| {
        let word = words[index];
        let to = typo(&word.text, &mut generator).filter(|to| !is_word(model, to))?;
        let edit = Edit { start: word.start, end: word.end, from: word.text.clone(), to };
        Some(Plan {
            property: Property::Typos.name(),
            variant: None,
            from: edit.from.clone(),
            to: edit.to.clone(),
            edits: vec![edit],
        })
    };
    order.into_iter().filter_map(plan).take(MOST_TYPOS).for_each(|plan| into.push(plan));
}

/// Whether a word is long enough, of an alphabet, and not needed.
fn is_suitable(word: &str) -> bool {
    let is_letter = |c: char| c.is_lowercase() || c.is_uppercase();
    word.chars().count() >= SHORTEST
        && word.chars().all(is_letter)
        && !NEEDED.contains(&&*word.to_lowercase())
}

/// Swaps two neighbouring letters that differ, other than the first and the last; `None` if all
/// inner letters are the same.
fn typo(word: &str, generator: &mut Generator) -> Option<String> {
    let mut letters: Vec<char> = word.chars().collect();
    let differ = |&at: &usize| letters[at] != letters[at + 1];
    let places: Vec<usize> = (1..letters.len() - 2).filter(differ).collect();
    let place = *places.get(generator.below(places.len()))?;
    letters.swap(place, place + 1);
    Some(letters.into_iter().collect())
}

fn is_word(model: &Model, text: &str) -> bool {
    let known = |text: &str| {
        MARKS.iter().any(|mark| model.text.piece_id(&format!("{mark}{text}")).is_some())
    };
    known(text) || known(&text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_swap_two_inner_letters() {
        let mut generator = Generator::stream(0, 0);
        for _ in 0..50 {
            let typo = typo("brilliant", &mut generator).unwrap();
            let differing: Vec<usize> = typo
                .chars()
                .zip("brilliant".chars())
                .enumerate()
                .filter(|(_, (a, b))| a != b)
                .map(|(index, _)| index)
                .collect();
            assert!(matches!(differing[..], [a, b] if b == a + 1 && a > 0 && b < 8), "{typo}");
        }
        assert_eq!(typo("aoooo", &mut generator), None);
    }

    #[test]
    fn short_needed_and_unwritten_words_have_none() {
        for (word, suitable) in [
            ("great", true),
            ("écran", true),
            ("good", false),
            ("Never", false),
            ("isn't", false),
            ("2001a", false),
            ("电影院线片", false),
        ] {
            assert_eq!(is_suitable(word), suitable, "{word}");
        }
    }
}
