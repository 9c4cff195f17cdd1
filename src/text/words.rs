//! Words: the borders of Unicode's UAX #29, moved so that no word cuts a token.

use unicode_segmentation::UnicodeSegmentation;

use super::{Token, Word};

/// A half-open range of code points.
type Span = (usize, usize);

/// Splits one segment's text into words, appends them to `words` and notes in
/// each of `tokens` the word it belongs to. Everything but white space is in
/// some word; punctuation marks are words of their own.
pub fn assign(text: &str, segment: usize, tokens: &mut [Token], words: &mut Vec<Word>) {
    let chars: Vec<char> = text.chars().collect();
    let mine: Vec<(usize, Span)> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.segment == segment && !token.special)
        .filter_map(|(index, token)| Some((index, trim(&chars, (token.start, token.end))?)))
        .collect();
    for (start, end) in merge(borders(text), mine.iter().map(|&(_, span)| span)) {
        let number = words.len();
        let inside: Vec<usize> = mine
            .iter()
            .filter(|(_, span)| start <= span.0 && span.1 <= end)
            .map(|&(index, _)| index)
            .collect();
        for &index in &inside {
            tokens[index].word = Some(number);
        }
        let text = chars[start..end].iter().collect();
        words.push(Word { text, start, end, tokens: inside, segment });
    }
}

/// The spans between word borders, without white space.
fn borders(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for piece in text.split_word_bounds() {
        let end = start + piece.chars().count();
        if !piece.chars().all(char::is_whitespace) {
            spans.push((start, end));
        }
        start = end;
    }
    spans
}

/// Joins neighbouring spans that a token reaches across. Both come in the order
/// of the text.
fn merge(spans: Vec<Span>, tokens: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut tokens = tokens.peekable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    let mut reach = 0;
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start < reach => last.1 = end,
            _ => merged.push((start, end)),
        }
        while let Some(token) = tokens.next_if(|token| token.0 < end) {
            reach = reach.max(token.1);
        }
    }
    merged
}

/// The span without white space at its ends; none if nothing is left.
fn trim(chars: &[char], (start, end): Span) -> Option<Span> {
    let inside = chars.get(start..end)?;
    let first = inside.iter().position(|c| !c.is_whitespace())?;
    let last = inside.iter().rposition(|c| !c.is_whitespace())?;
    Some((start + first, start + last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(start: usize, end: usize) -> Token {
        Token { id: 0, text: String::new(), start, end, word: None, segment: 0, special: false }
    }

    fn split(text: &str, tokens: &mut [Token]) -> Vec<(String, Vec<usize>)> {
        let mut words = Vec::new();
        assign(text, 0, tokens, &mut words);
        words.into_iter().map(|word| (word.text, word.tokens)).collect()
    }

    #[test]
    fn punctuation_is_a_word_and_pieces_share_one() {
        let mut tokens = [token(0, 2), token(2, 5), token(5, 6), token(7, 9)];
        let words = split("great! ok", &mut tokens);
        assert_eq!(
            words,
            [("great".into(), vec![0, 1]), ("!".into(), vec![2]), ("ok".into(), vec![3])]
        );
        assert_eq!(tokens.map(|token| token.word), [Some(0), Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn a_word_never_cuts_a_token() {
        // One unknown token over what UAX #29 calls three words.
        let words = split("a, b c", &mut [token(0, 4), token(5, 6)]);
        assert_eq!(words, [("a, b".into(), vec![0]), ("c".into(), vec![1])]);
    }

    #[test]
    fn text_that_no_token_covers_is_still_a_word() {
        let words = split("x\u{200b}y", &mut [token(0, 1), token(2, 3)]);
        let joined: String = words.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(joined, "x\u{200b}y");
    }

    #[test]
    fn a_leading_space_inside_a_token_is_outside_the_word() {
        let words = split("so good", &mut [token(0, 2), token(2, 7)]);
        assert_eq!(words, [("so".into(), vec![0]), ("good".into(), vec![1])]);
    }
}
