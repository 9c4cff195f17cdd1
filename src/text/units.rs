//! Words, sentences and clients' spans as groups of tokens. Units never split a token.

use super::borders::Span;
use super::{CallerSpan, Token, Unit};
use crate::error::{Error, Result};

/// The tokens of one segment with their spans, without white space. A token that covers only
/// white space gets the span of the next character, because a space belongs to the word after
/// it; at the end of the text, of the previous one.
pub struct TokenSpans {
    segment: usize,
    chars: Vec<char>,
    tokens: Vec<(usize, Span)>,
}

impl TokenSpans {
    pub fn new(text: &str, segment: usize, tokens: &[Token]) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let in_segment = |(_, token): &(usize, &Token)| token.segment == segment && !token.special;
        let tokens = tokens
            .iter()
            .enumerate()
            .filter(in_segment)
            .filter_map(|(index, token)| Some((index, visible(&chars, (token.start, token.end))?)))
            .collect();
        Self { segment, chars, tokens }
    }

    /// Returns the units with these borders, which must be in the order of the text. Merges
    /// neighbours that share a token, and adjacent ones that the tokenizer drops.
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

    /// Returns the span from the first token to the last; `None` if there are no tokens.
    pub fn range(&self) -> Option<Span> {
        Some((self.tokens.first()?.1.0, self.tokens.last()?.1.1))
    }

    fn unit(&self, (start, end): Span) -> Unit {
        let first = self.tokens.partition_point(|&(_, span)| span.0 < start);
        let inside = self.tokens[first..].iter().take_while(|&&(_, span)| span.0 < end);
        Unit {
            text: self.chars[start..end].iter().collect(),
            start,
            end,
            tokens: inside.map(|&(index, _)| index).collect(),
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

    /// Returns the spans that a client requested, in its order, extended to token boundaries.
    /// Rejects empty and overlapping spans and those outside the text. Error pointers are
    /// relative to the list.
    pub fn caller_spans(&self, requested: &[Span]) -> Result<Vec<CallerSpan>> {
        self.check(requested)?;
        let spans: Vec<CallerSpan> = requested
            .iter()
            .map(|&requested| CallerSpan { unit: self.unit(self.round(requested)), requested })
            .collect();
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&index| spans[index].unit.start);
        match order.windows(2).find(|pair| spans[pair[1]].unit.start < spans[pair[0]].unit.end) {
            None => Ok(spans),
            Some(pair) => {
                let (first, second) = (pair[0], pair[1]);
                let detail = format!("spans {first} and {second} overlap or cut the same token");
                Err(Error::field(format!("/{second}"), detail))
            }
        }
    }

    /// Returns the tokens that these spans touch, ascending. Rejects empty spans and those outside
    /// the text. Error pointers are relative to the list.
    pub fn marked(&self, requested: &[Span]) -> Result<Vec<usize>> {
        self.check(requested)?;
        let touches = |span: &Span| requested.iter().any(|own| span.0 < own.1 && own.0 < span.1);
        let marked = self.tokens.iter().filter(|(_, span)| touches(span));
        let mut tokens: Vec<usize> = marked.map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        Ok(tokens)
    }

    fn check(&self, requested: &[Span]) -> Result<()> {
        let length = self.chars.len();
        for (index, &(start, end)) in requested.iter().enumerate() {
            if start >= end || end > length {
                let detail = format!(
                    "[{start}, {end}] is not a span of the text, which has {length} code points; a span \
                     is [start, end], with end excluded"
                );
                return Err(Error::field(format!("/{index}"), detail));
            }
        }
        Ok(())
    }

    /// Returns the smallest span around `requested` that splits no token.
    fn round(&self, requested: Span) -> Span {
        let tokens = self.tokens.iter().map(|&(_, span)| span);
        tokens
            .filter(|span| span.0 < requested.1 && requested.0 < span.1)
            .fold(requested, |round, span| (round.0.min(span.0), round.1.max(span.1)))
    }
}

/// Returns a token's span without white space; `None` if the text has nothing else.
fn visible(chars: &[char], (start, end): Span) -> Option<Span> {
    let one = |at: usize| (at, at + 1);
    let visible = |at: &usize| !chars[*at].is_whitespace();
    let start = start.min(chars.len());
    trim(chars, (start, end))
        .or_else(|| (start..chars.len()).find(visible).map(one))
        .or_else(|| (0..start).rev().find(visible).map(one))
}

/// Trims white space; `None` if nothing is left.
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

    fn token_spans(text: &str, tokens: &[Span]) -> TokenSpans {
        let tokens: Vec<Token> = tokens.iter().copied().map(token).collect();
        TokenSpans::new(text, 0, &tokens)
    }

    fn words(text: &str, tokens: &[Span]) -> Vec<(String, Vec<usize>)> {
        let units = token_spans(text, tokens).units(borders::words(text));
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
    fn words_never_split_a_token() {
        // One unknown token that covers three words of UAX #29.
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
    fn uncovered_text_is_one_word_however_long() {
        let text = format!("a{}", "\u{200b}".repeat(1_000));
        assert_eq!(words(&text, &[(0, 1)]).len(), 2);
    }

    #[test]
    fn a_leading_space_inside_a_token_is_outside_the_word() {
        let words = words("so good", &[(0, 2), (2, 7)]);
        assert_eq!(words, [("so".into(), vec![0]), ("good".into(), vec![1])]);
    }

    #[test]
    fn spaces_belong_to_the_next_word_or_the_last() {
        let spaces = words("so  good ", &[(0, 2), (2, 3), (3, 4), (4, 8), (8, 9)]);
        assert_eq!(spaces, [("so".into(), vec![0]), ("good".into(), vec![1, 2, 3, 4])]);
        // Empty tokens: one before the text, the others trimmed.
        let empty = words("so good", &[(0, 0), (0, 2), (3, 3), (3, 7), (7, 7)]);
        assert_eq!(empty, [("so".into(), vec![0, 1]), ("good".into(), vec![2, 3, 4])]);
    }

    #[test]
    fn spans_are_rounded_outward_and_keep_their_order() {
        let tokens = token_spans("great! ok", &[(0, 2), (2, 5), (5, 6), (7, 9)]);
        let spans = tokens.caller_spans(&[(6, 8), (1, 3)]).unwrap();
        let ends: Vec<Span> = spans.iter().map(|span| (span.unit.start, span.unit.end)).collect();
        assert_eq!(ends, [(6, 9), (0, 5)]);
        assert_eq!(spans[1].unit.tokens, [0, 1]);
        assert!(spans.iter().all(CallerSpan::rounded));
        assert!(!tokens.caller_spans(&[(0, 5)]).unwrap()[0].rounded());
    }

    #[test]
    fn invalid_spans_are_rejected_with_their_pointer() {
        let tokens = token_spans("great! ok", &[(0, 2), (2, 5), (5, 6), (7, 9)]);
        for (spans, pointer) in [
            (&[(0, 2), (1, 5)][..], "/1"),
            (&[(0, 1), (1, 2)], "/1"),
            (&[(7, 9), (0, 10)], "/1"),
            (&[(3, 3)], "/0"),
            (&[(4, 2)], "/0"),
            (&[(usize::MAX - 1, usize::MAX)], "/0"),
        ] {
            let error = tokens.caller_spans(spans).unwrap_err();
            assert_eq!(error.pointer.as_deref(), Some(pointer), "{spans:?}");
        }
    }
}
