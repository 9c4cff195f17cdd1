//! A text over the model's limit as parts that overlap, cut between sentences
//! where one ends in a part's second half, else between words.

use std::ops::Range;
use std::sync::Arc;

use super::{Encoding, TextEncoder, Unit};
use crate::error::{Code, Error, Result};

/// A part by itself, and the place of each of its tokens in the whole.
#[derive(Debug, Clone)]
pub struct Part {
    pub encoding: Encoding,
    pub places: Vec<usize>,
    /// What it has of the text that was cut, among the tokens of the whole.
    pub content: Range<usize>,
}

/// The parts of `whole`, `most` at most, neighbours with at least `stride` tokens in
/// common. Of a pair, the second text is cut and every part has all of the first.
pub fn split(
    whole: &Encoding,
    text: &TextEncoder,
    stride: usize,
    most: usize,
) -> Result<Vec<Part>> {
    let content = content(whole);
    let around = whole.tokens.len() - content.len();
    let Some(room) = text.max_tokens.checked_sub(around).filter(|room| *room > 0) else {
        let detail = format!(
            "the first text of the pair leaves no room for the second: {around} of {} tokens",
            text.max_tokens
        );
        return Err(Error::new(Code::InputTooLong, detail));
    };
    if stride >= room {
        let detail = format!("a window holds {room} tokens of the text; stride must be less");
        return Err(Error::field("/window/stride", detail));
    }
    let ranges = ranges(whole, content.clone(), [room, stride], most);
    if ranges.len() > most {
        let detail = format!(
            "the text takes more than {most} windows; take a smaller stride, or send less of it"
        );
        return Err(Error::new(Code::InputTooLong, detail));
    }
    Ok(ranges.into_iter().map(|range| part(whole, text, &content, range)).collect())
}

/// The tokens of the text that is cut: the last one.
fn content(whole: &Encoding) -> Range<usize> {
    let last = whole.texts.len() - 1;
    let own = |&token: &usize| {
        let token = &whole.tokens[token];
        !token.special && token.segment == last
    };
    let mut tokens = (0..whole.tokens.len()).filter(own);
    let first = tokens.next().unwrap_or_default();
    first..tokens.next_back().unwrap_or(first) + 1
}

/// One more than may be, where there are too many.
fn ranges(
    whole: &Encoding,
    content: Range<usize>,
    [room, stride]: [usize; 2],
    most_parts: usize,
) -> Vec<Range<usize>> {
    let ends = |units: &[Unit]| -> Vec<usize> {
        units.iter().filter_map(|unit| Some(unit.tokens.last()? + 1)).collect()
    };
    let (sentence_ends, word_ends) = (ends(&whole.sentences), ends(&whole.words));
    let word_starts: Vec<usize> =
        whole.words.iter().filter_map(|word| word.tokens.first().copied()).collect();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = content.start;
    loop {
        let most = start + room;
        if most >= content.end || ranges.len() == most_parts {
            ranges.push(start..content.end);
            return ranges;
        }
        let within = |ends: &[usize], from: usize| {
            ends.iter().copied().filter(|end| from < *end && *end <= most).max()
        };
        // Whatever is cut, the next part must begin after this one.
        let least = start + stride + 1;
        let end = within(&sentence_ends, (start + room / 2).max(least))
            .or_else(|| within(&word_ends, least))
            .unwrap_or(most);
        ranges.push(start..end);
        let back = end - stride;
        let border = word_starts.iter().copied().filter(|at| start < *at && *at <= back).max();
        start = border.unwrap_or(back.max(start + 1));
    }
}

fn part(whole: &Encoding, text: &TextEncoder, content: &Range<usize>, range: Range<usize>) -> Part {
    let around = |token: &usize| !content.contains(token) || range.contains(token);
    let places: Vec<usize> = (0..whole.tokens.len()).filter(around).collect();
    let of = |ids: &[u32]| places.iter().map(|&place| ids[place]).collect();
    let ids = text.tokens(of(&whole.ids.input_ids), of(&whole.ids.token_type_ids));
    let moved = |unit: &Unit| {
        let tokens = unit.tokens.iter().map(|token| places.binary_search(token).ok());
        Some(Unit { tokens: tokens.collect::<Option<_>>()?, ..unit.clone() })
    };
    let words: Vec<Unit> = whole.words.iter().filter_map(moved).collect();
    let mut tokens: Vec<_> = places.iter().map(|&place| whole.tokens[place].clone()).collect();
    tokens.iter_mut().for_each(|token| token.word = None);
    for (number, word) in words.iter().enumerate() {
        word.tokens.iter().for_each(|&token| tokens[token].word = Some(number));
    }
    let encoding = Encoding {
        ids: Arc::new(ids),
        texts: whole.texts.clone(),
        tokens,
        words,
        sentences: whole.sentences.iter().filter_map(moved).collect(),
        spans: Vec::new(),
        truncated: false,
        apart: None,
        held: 0,
    };
    Part { encoding, places, content: range }
}
