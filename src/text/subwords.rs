//! The tokenizer's units, and how they hang together in its own words.

use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

use super::Token;
use super::borders::Span;

/// Every token of an encoding with offsets in code points. `given` are the words that the
/// caller has cut the first text into: the tokenizer read each by itself, and each token
/// says which it is of.
pub fn tokens(
    encoding: &tokenizers::Encoding,
    tokenizer: &Tokenizer,
    unknown: Option<u32>,
    texts: &[String],
    given: &[Span],
) -> Vec<Token> {
    let segments = encoding.get_sequence_ids();
    let special = encoding.get_special_tokens_mask();
    let words = encoding.get_word_ids();
    let rule = Rule { prefixed: has_prefix(tokenizer), unknown };
    let texts: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
    let token = |i: usize| {
        let segment = segments[i].unwrap_or(encoding.get_type_ids()[i] as usize);
        let of_given = words[i].map(|word| word as usize).filter(|_| segment == 0);
        let from = of_given.and_then(|word| given.get(word)).map_or(0, |word| word.0);
        let in_text = |(start, end): Span| (from + start, from + end);
        let (start, end) = in_text(encoding.get_offsets()[i]);
        let id = encoding.get_ids()[i];
        // What the vocabulary has: an unknown word is its unknown piece.
        let text = tokenizer.id_to_token(id).unwrap_or_else(|| encoding.get_tokens()[i].clone());
        let word = words[i].and_then(|word| encoding.word_to_chars(word, segment));
        let around = texts.get(segment).map_or(&[][..], Vec::as_slice);
        Token {
            continues: special[i] == 0 && rule.continues(id, &text, (start, end), around),
            whole: word.map_or((start, end), in_text),
            id,
            text,
            start,
            end,
            word: of_given.filter(|&word| word < given.len()),
            segment,
            special: special[i] == 1,
        }
    };
    (0..encoding.len()).map(token).collect()
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
