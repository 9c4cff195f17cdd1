//! Splits a text over the model's limit into overlapping windows: at the end of a sentence in
//! the second half of a window if there is one, else between words.

use std::ops::Range;
use std::sync::Arc;

use super::{Encoding, TextEncoder, Unit};
use crate::error::{Code, Error, Result};

/// The encoding of a window, and the position of each of its tokens in the whole encoding.
#[derive(Debug, Clone)]
pub struct TextWindow {
    pub encoding: Encoding,
    pub positions: Vec<usize>,
    /// The range of the whole encoding's tokens that it has of the split text.
    pub content: Range<usize>,
}

/// Splits `whole` into at most `max_windows` windows, neighbours of which share at least
/// `stride` tokens. For a pair, splits the second text; each window has all of the first.
pub fn split(
    whole: &Encoding,
    text: &TextEncoder,
    stride: usize,
    max_windows: usize,
) -> Result<Vec<TextWindow>> {
    let content = content(whole);
    let others = whole.tokens.len() - content.len();
    let Some(room) = text.max_tokens.checked_sub(others).filter(|room| *room > 0) else {
        let detail = format!(
            "the first text of the pair leaves no room for the second: {others} of {} tokens",
            text.max_tokens
        );
        return Err(Error::new(Code::InputTooLong, detail));
    };
    if stride >= room {
        let detail = format!("a window has {room} tokens of the text; stride must be less");
        return Err(Error::field("/window/stride", detail));
    }
    let ranges = ranges(whole, content.clone(), [room, stride], max_windows);
    if ranges.len() > max_windows {
        let detail = format!(
            "the text takes more than {max_windows} windows; use a smaller stride or send less of it"
        );
        return Err(Error::new(Code::InputTooLong, detail));
    }
    Ok(ranges.into_iter().map(|range| window(whole, text, &content, range)).collect())
}

/// Returns the tokens of the text that is split: the last one.
fn content(whole: &Encoding) -> Range<usize> {
    let last = whole.texts.len() - 1;
    let in_text = |&token: &usize| {
        let token = &whole.tokens[token];
        !token.special && token.segment == last
    };
    let mut tokens = (0..whole.tokens.len()).filter(in_text);
    let first = tokens.next().unwrap_or_default();
    first..tokens.next_back().unwrap_or(first) + 1
}

/// Returns the windows' token ranges; stops after `max_windows + 1`.
fn ranges(
    whole: &Encoding,
    content: Range<usize>,
    [room, stride]: [usize; 2],
    max_windows: usize,
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
        let max_end = start + room;
        if max_end >= content.end || ranges.len() == max_windows {
            ranges.push(start..content.end);
            return ranges;
        }
        let within = |ends: &[usize], from: usize| {
            ends.iter().copied().filter(|end| from < *end && *end <= max_end).max()
        };
        // The next window must start after this one.
        let min_end = start + stride + 1;
        let end = within(&sentence_ends, (start + room / 2).max(min_end))
            .or_else(|| within(&word_ends, min_end))
            .unwrap_or(max_end);
        ranges.push(start..end);
        let latest = end - stride;
        let word = word_starts.iter().copied().filter(|at| start < *at && *at <= latest).max();
        start = word.unwrap_or(latest.max(start + 1));
    }
}

fn window(
    whole: &Encoding,
    text: &TextEncoder,
    content: &Range<usize>,
    range: Range<usize>,
) -> TextWindow {
    let in_window = |token: &usize| !content.contains(token) || range.contains(token);
    let positions: Vec<usize> = (0..whole.tokens.len()).filter(in_window).collect();
    let of = |ids: &[u32]| positions.iter().map(|&position| ids[position]).collect();
    let ids = text.tokens(of(&whole.ids.input_ids), of(&whole.ids.token_type_ids));
    let remapped = |unit: &Unit| {
        let tokens = unit.tokens.iter().map(|token| positions.binary_search(token).ok());
        Some(Unit { tokens: tokens.collect::<Option<_>>()?, ..unit.clone() })
    };
    let words: Vec<Unit> = whole.words.iter().filter_map(remapped).collect();
    let mut tokens: Vec<_> = positions.iter().map(|&i| whole.tokens[i].clone()).collect();
    tokens.iter_mut().for_each(|token| token.word = None);
    for (index, word) in words.iter().enumerate() {
        word.tokens.iter().for_each(|&token| tokens[token].word = Some(index));
    }
    let encoding = Encoding {
        ids: Arc::new(ids),
        texts: whole.texts.clone(),
        tokens,
        words,
        sentences: whole.sentences.iter().filter_map(remapped).collect(),
        spans: Vec::new(),
        rationale: Vec::new(),
        truncated: false,
        separate_pair: None,
        held: 0,
    };
    TextWindow { encoding, positions, content: range }
}
