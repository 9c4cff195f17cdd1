//! Texts whose words the caller has cut.

use super::borders::Span;
use super::{Token, Unit};

/// Where each word lies in the text that they make, joined by single spaces.
pub fn spans(words: &[String]) -> Vec<Span> {
    let mut place = 0;
    let span = |word: &String| {
        let start = place;
        place += word.chars().count() + 1;
        (start, place - 1)
    };
    words.iter().map(span).collect()
}

/// The first words, whose text has `most` characters at most; of the first, its start.
pub fn start_of(words: &[String], most: usize) -> Vec<String> {
    let fitting = spans(words).iter().take_while(|(_, end)| *end <= most).count();
    match (fitting, words.first()) {
        (0, Some(first)) => vec![first.chars().take(most).collect()],
        _ => words[..fitting].to_vec(),
    }
}

/// The words as units, each with the tokens that say they are of it.
pub fn units(words: &[String], tokens: &[Token]) -> Vec<Unit> {
    let mut units: Vec<Unit> = words
        .iter()
        .zip(spans(words))
        .map(|(word, (start, end))| Unit {
            text: word.clone(),
            start,
            end,
            tokens: Vec::new(),
            segment: 0,
        })
        .collect();
    for (number, token) in tokens.iter().enumerate().filter(|(_, token)| token.segment == 0) {
        if let Some(unit) = token.word.and_then(|word| units.get_mut(word)) {
            unit.tokens.push(number);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn words_lie_one_space_apart() {
        assert_eq!(spans(&words("we sa\u{301}w 😀")), [(0, 2), (3, 7), (8, 9)]);
    }

    #[test]
    fn a_start_has_whole_words_but_for_the_first() {
        let text = words("some words here");
        for (most, expected) in [(15, 3), (14, 2), (10, 2), (9, 1), (4, 1)] {
            assert_eq!(start_of(&text, most), text[..expected], "{most}");
        }
        assert_eq!(start_of(&text, 3), ["som"]);
    }
}
