//! The tokenizer's units, and how they hang together in its own words.

use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

use super::Token;

/// Every token of an encoding with offsets in code points.
pub fn tokens(
    encoding: &tokenizers::Encoding,
    tokenizer: &Tokenizer,
    texts: &[String],
) -> Vec<Token> {
    let segments = encoding.get_sequence_ids();
    let special = encoding.get_special_tokens_mask();
    let words = encoding.get_word_ids();
    let rule = Rule::of(tokenizer);
    let texts: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
    let token = |i: usize| {
        let (start, end) = encoding.get_offsets()[i];
        let segment = segments[i].unwrap_or(encoding.get_type_ids()[i] as usize);
        let id = encoding.get_ids()[i];
        // What the vocabulary has: an unknown word is its unknown piece.
        let text = tokenizer.id_to_token(id).unwrap_or_else(|| encoding.get_tokens()[i].clone());
        let word = words[i].and_then(|word| encoding.word_to_chars(word, segment));
        let around = texts.get(segment).map_or(&[][..], Vec::as_slice);
        Token {
            continues: special[i] == 0 && rule.continues(id, &text, (start, end), around),
            whole: word.unwrap_or((start, end)),
            id,
            text,
            start,
            end,
            word: None,
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
    fn of(tokenizer: &Tokenizer) -> Self {
        let model = tokenizer.get_model();
        let (prefix, unknown) = match model {
            ModelWrapper::WordPiece(model) => {
                (Some(model.continuing_subword_prefix.as_str()), Some(model.unk_token.as_str()))
            }
            ModelWrapper::BPE(model) => {
                (model.continuing_subword_prefix.as_deref(), model.unk_token.as_deref())
            }
            ModelWrapper::WordLevel(model) => (None, Some(model.unk_token.as_str())),
            ModelWrapper::Unigram(_) => (None, Some("<unk>")),
        };
        Self {
            prefixed: prefix.is_some_and(|prefix| !prefix.is_empty()),
            unknown: unknown.and_then(|piece| model.token_to_id(piece)),
        }
    }

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
