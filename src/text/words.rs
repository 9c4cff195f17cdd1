//! Texts whose words the caller has cut.

use super::borders::Span;
use super::truncation::Part;
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

/// Those of the words that lie in a part of the text, the number of the first one, and the part
/// that they make. Where no word lies in it whole, it is of one.
pub fn within<'a>(
    words: &[String],
    text: &'a str,
    part: Part<'a>,
) -> (Vec<String>, usize, Part<'a>) {
    let spans = spans(words);
    let end = part.skipped + part.text.chars().count();
    let first = spans.partition_point(|span| span.0 < part.skipped);
    let last = spans.partition_point(|span| span.1 <= end);
    if first >= last {
        let word = spans.partition_point(|span| span.1 <= part.skipped);
        return (vec![part.text.to_owned()], word, part);
    }
    let byte = |place| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
    let (start, end) = (spans[first].0, spans[last - 1].1);
    let made = Part { text: &text[byte(start)..byte(end)], skipped: start };
    (words[first..last].to_vec(), first, made)
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
    fn a_part_has_whole_words_but_for_one_that_is_too_long() {
        let text = "some words here";
        let all = words(text);
        let of = |part: Part<'static>| {
            let (words, first, part) = within(&all, text, part);
            (words.join(" "), first, part.text, part.skipped)
        };
        assert_eq!(of(Part::whole(text)), (text.to_owned(), 0, text, 0));
        assert_eq!(of(Part::whole("some words h")), ("some words".to_owned(), 0, "some words", 0));
        assert_eq!(of(Part::whole("som")), ("som".to_owned(), 0, "som", 0));
        let left = |part, skipped| of(Part { text: part, skipped });
        assert_eq!(left(" words here", 4), ("words here".to_owned(), 1, "words here", 5));
        assert_eq!(left("re", 13), ("re".to_owned(), 2, "re", 13));
    }
}
