//! The tokenizer's units, and how they hang together in its own words.

use std::collections::HashMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

use super::borders::Span;
use super::{Token, offsets};

/// Every token of an encoding with offsets in code points of the texts as the tokenizer read
/// them. `given` are the words that the first one was cut into: the tokenizer read each by
/// itself, and each token says which it is of.
pub fn tokens(
    encoding: &tokenizers::Encoding,
    tokenizer: &Tokenizer,
    unknown: Option<u32>,
    texts: &[String],
    given: &[Span],
) -> Vec<Token> {
    let special = encoding.get_special_tokens_mask();
    let rule = Rule { prefixed: has_prefix(tokenizer), unknown };
    let texts: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
    let segments: Vec<usize> = segments(encoding);
    let of_given = |i: usize| {
        let word = encoding.get_word_ids()[i].map(|word| word as usize);
        word.filter(|&word| segments[i] == 0 && word < given.len())
    };
    // The library has offsets of each word by itself.
    let own = |i: usize| {
        let (start, end) = encoding.get_offsets()[i];
        let from = of_given(i).map_or(0, |word| given[word].0);
        (from + start, from + end)
    };
    let own: Vec<Span> = (0..encoding.len()).map(own).collect();
    let spans = spans(&own, encoding, tokenizer, &texts, &segments);
    let wholes = wholes(encoding, &spans, &segments);
    let token = |i: usize| {
        let segment = segments[i];
        let special = special[i] == 1;
        let (start, end) = spans[i];
        let id = encoding.get_ids()[i];
        // What the vocabulary has: an unknown word is its unknown piece.
        let text = tokenizer.id_to_token(id).unwrap_or_else(|| encoding.get_tokens()[i].clone());
        let around = texts.get(segment).map_or(&[][..], Vec::as_slice);
        // The pipeline has the library's own offsets.
        Token {
            continues: !special && rule.continues(id, &text, own[i], around),
            whole: wholes[i],
            id,
            text,
            start,
            end,
            word: of_given(i),
            segment,
            special,
        }
    };
    (0..encoding.len()).map(token).collect()
}

fn segments(encoding: &tokenizers::Encoding) -> Vec<usize> {
    let known = encoding.get_sequence_ids();
    let types = encoding.get_type_ids();
    known.iter().zip(types).map(|(known, &kind)| known.unwrap_or(kind as usize)).collect()
}

/// Where each token stands in its segment's text, none before the token before it.
fn spans(
    own: &[Span],
    encoding: &tokenizers::Encoding,
    tokenizer: &Tokenizer,
    texts: &[Vec<char>],
    segments: &[usize],
) -> Vec<Span> {
    let mut spans = own.to_vec();
    let special = encoding.get_special_tokens_mask();
    for (number, text) in texts.iter().enumerate() {
        let own = |&i: &usize| segments[i] == number && special[i] == 0;
        let places: Vec<usize> = (0..spans.len()).filter(own).collect();
        let mut of_text: Vec<Span> = places.iter().map(|&i| spans[i]).collect();
        in_order(&mut of_text);
        if let Some(normalizer) = tokenizer.get_normalizer() {
            offsets::widen(&mut of_text, text, normalizer);
        }
        places.into_iter().zip(of_text).for_each(|(place, span)| spans[place] = span);
    }
    spans
}

/// The library puts a space that is read before a text, where it trims it, behind the character
/// that it comes before, and marks that a normalizer moves where they came from.
fn in_order(spans: &mut [Span]) {
    let mut next = usize::MAX;
    for (start, end) in spans.iter_mut().rev() {
        let empty = start == end;
        *start = next.min(*start);
        *end = if empty { *start } else { *end };
        next = *start;
    }
}

/// Where the tokenizer's own word of each token starts and ends: from its first token to its
/// last.
fn wholes(encoding: &tokenizers::Encoding, spans: &[Span], segments: &[usize]) -> Vec<Span> {
    let words = encoding.get_word_ids();
    let mut found: HashMap<(usize, u32), Span> = HashMap::new();
    let key = |i: usize| words[i].map(|word| (segments[i], word));
    for (i, &span) in spans.iter().enumerate() {
        if let Some(key) = key(i) {
            found.entry(key).or_insert(span).1 = span.1;
        }
    }
    let whole = |i: usize| key(i).and_then(|key| found.get(&key)).copied();
    (0..spans.len()).map(|i| whole(i).unwrap_or(spans[i])).collect()
}

/// How transformers' token-classification pipeline tells that a token goes on
/// with a word.
struct Rule {
    /// Whether pieces inside words are marked by a prefix.
    prefixed: bool,
    unknown: Option<u32>,
}

impl Rule {
    fn continues(&self, id: u32, piece: &str, (start, end): (usize, usize), text: &[char]) -> bool {
        if Some(id) == self.unknown {
            return false;
        }
        if self.prefixed {
            return piece.chars().count() != end - start;
        }
        let before = start.saturating_sub(1)..(start + 1).min(text.len());
        start > 0 && !text.get(before).unwrap_or_default().contains(&' ')
    }
}

/// Whether the model marks pieces inside words by a prefix.
fn has_prefix(tokenizer: &Tokenizer) -> bool {
    let prefix = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.continuing_subword_prefix.as_str()),
        ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_deref(),
        ModelWrapper::WordLevel(_) | ModelWrapper::Unigram(_) => None,
    };
    prefix.is_some_and(|prefix| !prefix.is_empty())
}

/// The piece that the model itself has for what it does not know.
pub fn unknown(tokenizer: &Tokenizer) -> Option<u32> {
    match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => model.token_to_id(&model.unk_token),
        ModelWrapper::BPE(model) => model.token_to_id(model.unk_token.as_deref()?),
        ModelWrapper::WordLevel(model) => model.token_to_id(&model.unk_token),
        // Its number is private to the library.
        ModelWrapper::Unigram(model) => {
            ["<unk>", "[UNK]"].into_iter().find_map(|piece| model.token_to_id(piece))
        }
    }
}
