//! Selects the words of a text that evidence may change, and edits texts.

use std::collections::HashSet;

pub use crate::text::edits::{Change, Edit, edited, edits};
use crate::text::{Encoding, Unit};

/// Returns the words of the first text that may be changed: those with a letter or a digit, or
/// all if there are none. The second text of a pair and truncated words do not change.
pub fn changeable(encoding: &Encoding) -> Vec<&Unit> {
    let is_encoded = |word: &&Unit| {
        let content = |&token: &usize| encoding.is_content(token);
        word.segment == 0 && !word.tokens.is_empty() && word.tokens.iter().all(content)
    };
    let is_alphanumeric = |word: &&Unit| word.text.chars().any(char::is_alphanumeric);
    let all: Vec<&Unit> = encoding.words.iter().filter(is_encoded).collect();
    match all.iter().any(is_alphanumeric) {
        true => all.into_iter().filter(is_alphanumeric).collect(),
        false => all,
    }
}

/// Returns the spans of all words in the first text that belong to an occurrence of a phrase.
pub fn matching(text: &str, words: &[Unit], phrases: &[String]) -> HashSet<(usize, usize)> {
    let mut found = HashSet::new();
    for phrase in phrases {
        for (start, end) in occurrences(text, words, phrase) {
            let own = words.iter().filter(|word| word.segment == 0);
            let inside = own.filter(|word| start <= word.start && word.end <= end);
            found.extend(inside.map(|word| (word.start, word.end)));
        }
    }
    found
}

/// Returns the spans of a phrase, one or more consecutive words, in the first text, in code
/// points. Matching ignores case, and occurrences do not overlap.
pub fn occurrences(text: &str, words: &[Unit], phrase: &str) -> Vec<(usize, usize)> {
    let phrase = phrase.trim().to_lowercase();
    let longest = phrase.chars().count();
    let chars: Vec<char> = text.chars().collect();
    let own: Vec<&Unit> = words.iter().filter(|word| word.segment == 0).collect();
    let (mut found, mut first) = (Vec::new(), 0);
    while first < own.len() {
        let start = own[first].start;
        let reach = own[first..].iter().take_while(|last| last.end - start <= longest);
        let is_phrase = |last: &&Unit| {
            let run: String = chars[start..last.end].iter().collect();
            run.to_lowercase() == phrase
        };
        match reach.enumerate().find(|(_, last)| is_phrase(last)) {
            Some((more, last)) => {
                found.push((start, last.end));
                first += more + 1;
            }
            None => first += 1,
        }
    }
    found
}

/// Capitalises `word` if `like` starts with a capital letter.
pub fn cased(word: &str, like: &str) -> String {
    let mut letters = word.chars();
    match (letters.next(), like.chars().next()) {
        (Some(first), Some(other)) if other.is_uppercase() => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: usize) -> Unit {
        let end = start + text.chars().count();
        Unit { text: text.to_owned(), start, end, tokens: vec![1], segment: 0 }
    }

    fn changed(text: &str, changes: &[(&str, usize, Option<&str>)]) -> String {
        let words: Vec<Unit> = changes.iter().map(|&(own, at, _)| word(own, at)).collect();
        let changes: Vec<Change<'_>> =
            words.iter().zip(changes).map(|(word, &(_, _, to))| (word, to)).collect();
        edited(text, &edits(text, &changes))
    }

    #[test]
    fn phrases_match_whole_words() {
        let text = "This is New York, is it";
        let units: Vec<Unit> =
            [("This", 0), ("is", 5), ("New", 8), ("York", 12), (",", 16), ("is", 18), ("it", 21)]
                .map(|(own, at)| word(own, at))
                .into();
        let found = |phrases: &[&str]| {
            let phrases: Vec<String> = phrases.iter().map(|&phrase| phrase.to_owned()).collect();
            let mut found: Vec<_> = matching(text, &units, &phrases).into_iter().collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found(&["IS"]), [(5, 7), (18, 20)]);
        assert_eq!(found(&["new york", "hi"]), [(8, 11), (12, 16)]);
        assert!(found(&[]).is_empty());
    }

    #[test]
    fn deleting_a_word_deletes_one_space() {
        let text = "a very good film.";
        for (changes, expected) in [
            (&[("very", 2, None)][..], "a good film."),
            (&[("a", 0, None)], "very good film."),
            (&[("film", 12, None)], "a very good."),
            (&[("good", 7, None), ("film", 12, None)], "a very ."),
            (&[("a", 0, None), ("very", 2, None), ("good", 7, None), ("film", 12, None)], "."),
            (&[("good", 7, Some("bad"))], "a very bad film."),
            (&[("very", 2, None), ("good", 7, Some("bad"))], "a bad film."),
        ] {
            assert_eq!(changed(text, changes), expected);
        }
        assert_eq!(changed("这部电影很好", &[("很", 4, Some("不"))]), "这部电影不好");
        assert_eq!(changed("这部电影很好", &[("电影", 2, None), ("好", 5, None)]), "这部很");
    }
}
