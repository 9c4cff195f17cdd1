//! Pre-tokenized texts: the client sends a list of words.

use super::borders::Span;
use super::truncation::Excerpt;
use super::{Token, Unit};

/// Returns the span of each word in the text, which is the words joined by single spaces.
pub fn spans(words: &[String]) -> Vec<Span> {
    let mut next = 0;
    let span = |word: &String| {
        let start = next;
        next += word.chars().count() + 1;
        (start, next - 1)
    };
    words.iter().map(span).collect()
}

/// Returns the words that lie entirely in `part`, the index of the first one, and the excerpt
/// that they form. If there is none, `part` itself is the only word.
pub fn within<'a>(
    words: &[String],
    text: &'a str,
    part: Excerpt<'a>,
) -> (Vec<String>, usize, Excerpt<'a>) {
    let spans = spans(words);
    let end = part.skipped + part.text.chars().count();
    let first = spans.partition_point(|span| span.0 < part.skipped);
    let last = spans.partition_point(|span| span.1 <= end);
    if first >= last {
        let word = spans.partition_point(|span| span.1 <= part.skipped);
        return (vec![part.text.to_owned()], word, part);
    }
    let byte = |offset| text.char_indices().nth(offset).map_or(text.len(), |(byte, _)| byte);
    let (start, end) = (spans[first].0, spans[last - 1].1);
    let excerpt = Excerpt { text: &text[byte(start)..byte(end)], skipped: start };
    (words[first..last].to_vec(), first, excerpt)
}

/// Returns the words as units, each with the tokens whose `word` is its index.
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
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.segment == 0) {
        if let Some(unit) = token.word.and_then(|word| units.get_mut(word)) {
            unit.tokens.push(index);
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
    fn words_are_joined_by_single_spaces() {
        assert_eq!(spans(&words("we sa\u{301}w 😀")), [(0, 2), (3, 7), (8, 9)]);
    }

    #[test]
    fn excerpts_have_whole_words_unless_one_is_too_long() {
        let text = "some words here";
        let all = words(text);
        let of = |part: Excerpt<'static>| {
            let (words, first, part) = within(&all, text, part);
            (words.join(" "), first, part.text, part.skipped)
        };
        assert_eq!(of(Excerpt::whole(text)), (text.to_owned(), 0, text, 0));
        assert_eq!(
            of(Excerpt::whole("some words h")),
            ("some words".to_owned(), 0, "some words", 0)
        );
        assert_eq!(of(Excerpt::whole("som")), ("som".to_owned(), 0, "som", 0));
        let left = |part, skipped| of(Excerpt { text: part, skipped });
        assert_eq!(left(" words here", 4), ("words here".to_owned(), 1, "words here", 5));
        assert_eq!(left("re", 13), ("re".to_owned(), 2, "re", 13));
    }
}
