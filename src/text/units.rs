//! Words, sentences and callers' own spans as groups of tokens. No unit cuts a
//! token.

use super::borders::Span;
use super::{CallerSpan, Token, Unit};
use crate::error::{Error, Result};

/// The tokens of one segment with where they stand, white space left out. Those
/// that cover nothing else stand at the character that follows, at the end at the one before:
/// a space is written for the word after it.
pub struct Places {
    segment: usize,
    chars: Vec<char>,
    tokens: Vec<(usize, Span)>,
}

impl Places {
    pub fn new(text: &str, segment: usize, tokens: &[Token]) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let own = |(_, token): &(usize, &Token)| token.segment == segment && !token.special;
        let tokens = tokens
            .iter()
            .enumerate()
            .filter(own)
            .filter_map(|(number, token)| Some((number, place(&chars, (token.start, token.end))?)))
            .collect();
        Self { segment, chars, tokens }
    }

    /// A unit for each of `borders`, which come in the order of the text;
    /// neighbours that a token reaches across become one, and so do neighbours
    /// that the tokenizer drops.
    pub fn units(&self, borders: Vec<Span>) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::with_capacity(borders.len());
        for unit in self.merge(borders).into_iter().map(|span| self.unit(span)) {
            let dropped = |unit: &Unit| unit.tokens.is_empty();
            match units.last_mut() {
                Some(last) if last.end == unit.start && dropped(last) && dropped(&unit) => {
                    last.end = unit.end;
                    last.text += &unit.text;
                }
                _ => units.push(unit),
            }
        }
        units
    }

    /// From the first token to the last: of a cut text, what was read. None where nothing was.
    pub fn read(&self) -> Option<Span> {
        Some((self.tokens.first()?.1.0, self.tokens.last()?.1.1))
    }

    fn unit(&self, (start, end): Span) -> Unit {
        let first = self.tokens.partition_point(|&(_, span)| span.0 < start);
        let touching = self.tokens[first..].iter().take_while(|&&(_, span)| span.0 < end);
        Unit {
            text: self.chars[start..end].iter().collect(),
            start,
            end,
            tokens: touching.map(|&(number, _)| number).collect(),
            segment: self.segment,
        }
    }

    fn merge(&self, borders: Vec<Span>) -> Vec<Span> {
        let mut tokens = self.tokens.iter().map(|&(_, span)| span).peekable();
        let mut merged: Vec<Span> = Vec::with_capacity(borders.len());
        let mut reach = 0;
        for (start, end) in borders {
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

    /// The spans that a caller asked for, in its order. One that cuts a token is
    /// rounded outward; spans outside the text, empty, or overlapping are
    /// refused. Pointers of errors are relative to the list.
    pub fn caller_spans(&self, asked: &[Span]) -> Result<Vec<CallerSpan>> {
        let length = self.chars.len();
        for (place, &(start, end)) in asked.iter().enumerate() {
            if start >= end || end > length {
                let detail = format!(
                    "[{start}, {end}] is no part of a text of {length} code points; a span is \
                     [start, end], end not included"
                );
                return Err(Error::field(format!("/{place}"), detail));
            }
        }
        let spans: Vec<CallerSpan> = asked
            .iter()
            .map(|&asked| CallerSpan { unit: self.unit(self.round(asked)), asked })
            .collect();
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&place| spans[place].unit.start);
        match order.windows(2).find(|pair| spans[pair[1]].unit.start < spans[pair[0]].unit.end) {
            None => Ok(spans),
            Some(pair) => {
                let (first, second) = (pair[0], pair[1]);
                let detail = format!("spans {first} and {second} overlap or cut the same token");
                Err(Error::field(format!("/{second}"), detail))
            }
        }
    }

    /// The smallest span around `asked` that cuts no token.
    fn round(&self, asked: Span) -> Span {
        let touched = self.tokens.iter().map(|&(_, span)| span);
        touched
            .filter(|span| span.0 < asked.1 && asked.0 < span.1)
            .fold(asked, |round, span| (round.0.min(span.0), round.1.max(span.1)))
    }
}

/// Where a token stands, white space left out; none in a text of nothing else.
fn place(chars: &[char], (start, end): Span) -> Option<Span> {
    let one = |at: usize| (at, at + 1);
    let seen = |at: &usize| !chars[*at].is_whitespace();
    let start = start.min(chars.len());
    trim(chars, (start, end))
        .or_else(|| (start..chars.len()).find(seen).map(one))
        .or_else(|| (0..start).rev().find(seen).map(one))
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
    use super::super::borders;
    use super::*;

    fn token((start, end): Span) -> Token {
        Token {
            id: 0,
            text: String::new(),
            start,
            end,
            word: None,
            segment: 0,
            special: false,
            continues: false,
            whole: (start, end),
        }
    }

    fn places(text: &str, tokens: &[Span]) -> Places {
        let tokens: Vec<Token> = tokens.iter().copied().map(token).collect();
        Places::new(text, 0, &tokens)
    }

    fn words(text: &str, tokens: &[Span]) -> Vec<(String, Vec<usize>)> {
        let units = places(text, tokens).units(borders::words(text));
        units.into_iter().map(|unit| (unit.text, unit.tokens)).collect()
    }

    #[test]
    fn punctuation_is_a_word_and_pieces_share_one() {
        let words = words("great! ok", &[(0, 2), (2, 5), (5, 6), (7, 9)]);
        let expected =
            [("great".into(), vec![0, 1]), ("!".into(), vec![2]), ("ok".into(), vec![3])];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_word_never_cuts_a_token() {
        // One unknown token over what UAX #29 calls three words.
        let words = words("a, b c", &[(0, 4), (5, 6)]);
        assert_eq!(words, [("a, b".into(), vec![0]), ("c".into(), vec![1])]);
    }

    #[test]
    fn text_that_no_token_covers_is_still_a_word() {
        let words = words("x\u{200b}y", &[(0, 1), (2, 3)]);
        let joined: String = words.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(joined, "x\u{200b}y");
    }

    #[test]
    fn what_no_token_covers_is_one_word_however_long() {
        let text = format!("a{}", "\u{200b}".repeat(1_000));
        assert_eq!(words(&text, &[(0, 1)]).len(), 2);
    }

    #[test]
    fn a_leading_space_inside_a_token_is_outside_the_word() {
        let words = words("so good", &[(0, 2), (2, 7)]);
        assert_eq!(words, [("so".into(), vec![0]), ("good".into(), vec![1])]);
    }

    #[test]
    fn spaces_belong_to_the_word_that_follows_or_precedes_at_the_end() {
        let spaces = words("so  good ", &[(0, 2), (2, 3), (3, 4), (4, 8), (8, 9)]);
        assert_eq!(spaces, [("so".into(), vec![0]), ("good".into(), vec![1, 2, 3, 4])]);
        // A piece that was put before the text, and one that was cut to nothing.
        let empty = words("so good", &[(0, 0), (0, 2), (3, 3), (3, 7), (7, 7)]);
        assert_eq!(empty, [("so".into(), vec![0, 1]), ("good".into(), vec![2, 3, 4])]);
    }

    #[test]
    fn spans_are_rounded_outward_and_keep_their_order() {
        let places = places("great! ok", &[(0, 2), (2, 5), (5, 6), (7, 9)]);
        let spans = places.caller_spans(&[(6, 8), (1, 3)]).unwrap();
        let ends: Vec<Span> = spans.iter().map(|span| (span.unit.start, span.unit.end)).collect();
        assert_eq!(ends, [(6, 9), (0, 5)]);
        assert_eq!(spans[1].unit.tokens, [0, 1]);
        assert!(spans.iter().all(CallerSpan::rounded));
        assert!(!places.caller_spans(&[(0, 5)]).unwrap()[0].rounded());
    }

    #[test]
    fn spans_that_make_no_sense_are_refused_with_their_place() {
        let places = places("great! ok", &[(0, 2), (2, 5), (5, 6), (7, 9)]);
        for (spans, pointer) in [
            (&[(0, 2), (1, 5)][..], "/1"),
            (&[(0, 1), (1, 2)], "/1"),
            (&[(7, 9), (0, 10)], "/1"),
            (&[(3, 3)], "/0"),
            (&[(4, 2)], "/0"),
            (&[(usize::MAX - 1, usize::MAX)], "/0"),
        ] {
            let error = places.caller_spans(spans).unwrap_err();
            assert_eq!(error.pointer.as_deref(), Some(pointer), "{spans:?}");
        }
    }
}
