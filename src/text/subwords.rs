//! Converts the tokenizers library's encodings to [`Token`]s.

use std::collections::HashMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

use super::borders::Span;
use super::{Token, offsets};

/// Returns the tokens of an encoding, with offsets in code points of `texts`, which include the
/// prompt. `given` are the spans of the first text's words if it is pre-tokenized; each token
/// then has the index of its word.
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
    let given_word = |i: usize| {
        let word = encoding.get_word_ids()[i].map(|word| word as usize);
        word.filter(|&word| segments[i] == 0 && word < given.len())
    };
    // The library's offsets of pre-tokenized input are relative to each word.
    let raw = |i: usize| {
        let (start, end) = encoding.get_offsets()[i];
        let base = given_word(i).map_or(0, |word| given[word].0);
        (base + start, base + end)
    };
    let raw: Vec<Span> = (0..encoding.len()).map(raw).collect();
    let spans = spans(&raw, encoding, tokenizer, &texts, &segments);
    let word_spans = word_spans(encoding, &spans, &segments);
    let token = |i: usize| {
        let segment = segments[i];
        let special = special[i] == 1;
        let (start, end) = spans[i];
        let id = encoding.get_ids()[i];
        // The piece in the vocabulary: for an unknown word, the unknown piece.
        let text = tokenizer.id_to_token(id).unwrap_or_else(|| encoding.get_tokens()[i].clone());
        let chars = texts.get(segment).map_or(&[][..], Vec::as_slice);
        // The pipeline uses the library's offsets.
        Token {
            continues: !special && rule.continues(id, &text, raw[i], chars),
            whole: word_spans[i],
            id,
            text,
            start,
            end,
            word: given_word(i),
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

/// Returns the tokens' spans in their segments' texts, sorted and widened.
fn spans(
    raw: &[Span],
    encoding: &tokenizers::Encoding,
    tokenizer: &Tokenizer,
    texts: &[Vec<char>],
    segments: &[usize],
) -> Vec<Span> {
    let mut spans = raw.to_vec();
    let special = encoding.get_special_tokens_mask();
    for (segment, text) in texts.iter().enumerate() {
        let in_text = |&i: &usize| segments[i] == segment && special[i] == 0;
        let tokens: Vec<usize> = (0..spans.len()).filter(in_text).collect();
        let mut of_text: Vec<Span> = tokens.iter().map(|&i| spans[i]).collect();
        sort_starts(&mut of_text);
        if let Some(normalizer) = tokenizer.get_normalizer() {
            offsets::widen(&mut of_text, text, normalizer);
        }
        tokens.into_iter().zip(of_text).for_each(|(token, span)| spans[token] = span);
    }
    spans
}

/// Makes the starts ascend. They may not, because the library places a trimmed prefix space
/// after the first character, and keeps the original offsets of marks that a normalizer moves.
fn sort_starts(spans: &mut [Span]) {
    let mut next = usize::MAX;
    for (start, end) in spans.iter_mut().rev() {
        let empty = start == end;
        *start = next.min(*start);
        *end = if empty { *start } else { *end };
        next = *start;
    }
}

/// Returns, for each token, the span of the tokenizer's own word that contains it, from the
/// word's first token to its last.
fn word_spans(encoding: &tokenizers::Encoding, spans: &[Span], segments: &[usize]) -> Vec<Span> {
    let words = encoding.get_word_ids();
    let mut found: HashMap<(usize, u32), Span> = HashMap::new();
    let key = |i: usize| words[i].map(|word| (segments[i], word));
    for (i, &span) in spans.iter().enumerate() {
        if let Some(key) = key(i) {
            found.entry(key).or_insert(span).1 = span.1;
        }
    }
    let word_span = |i: usize| key(i).and_then(|key| found.get(&key)).copied();
    (0..spans.len()).map(|i| word_span(i).unwrap_or(spans[i])).collect()
}

/// Whether a token continues a word, by the rule of transformers' token-classification
/// pipeline.
struct Rule {
    /// Whether pieces inside words have a prefix such as `##`.
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

/// Whether the model marks pieces inside words with a prefix.
fn has_prefix(tokenizer: &Tokenizer) -> bool {
    let prefix = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.continuing_subword_prefix.as_str()),
        ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_deref(),
        ModelWrapper::WordLevel(_) | ModelWrapper::Unigram(_) => None,
    };
    prefix.is_some_and(|prefix| !prefix.is_empty())
}

/// Returns the id of the model's own unknown piece.
pub fn unknown(tokenizer: &Tokenizer) -> Option<u32> {
    match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => model.token_to_id(&model.unk_token),
        ModelWrapper::BPE(model) => model.token_to_id(model.unk_token.as_deref()?),
        ModelWrapper::WordLevel(model) => model.token_to_id(&model.unk_token),
        // The library does not expose its id.
        ModelWrapper::Unigram(model) => {
            ["<unk>", "[UNK]"].into_iter().find_map(|piece| model.token_to_id(piece))
        }
    }
}
