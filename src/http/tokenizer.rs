//! What a model's tokenizer does, in the catalogue.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::text::InForce;

/// What the files of a checkpoint make of its tokenizer.
#[derive(Serialize, ToSchema)]
pub struct TokenizerInfo {
    /// transformers' class. `TokenizersBackend` is what its tokenizer.json says; other
    /// classes are built from their vocabulary and their own fields.
    #[schema(example = "BertTokenizer")]
    class: &'static str,
    /// `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    #[schema(example = "WordPiece")]
    model: &'static str,
    /// Whether capitals are read as small letters.
    lowercase: bool,
    /// Whether é is read as e.
    strip_accents: bool,
    /// Whether each Chinese character is cut from its neighbours first.
    tokenize_chinese_chars: bool,
    /// Whether a text is read as if a space came before it.
    add_prefix_space: bool,
    /// Whether the model is told which text of a pair a token is of.
    token_types: bool,
    /// The tokenizer's own limit, where it has one; the model's may be lower, see
    /// `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    /// The end that `truncate` cuts: `left` or `right`.
    #[schema(example = "right")]
    truncation_side: &'static str,
    /// What the files say of padding. No text is padded here.
    #[schema(example = "right")]
    padding_side: &'static str,
    /// By role.
    special_tokens: BTreeMap<&'static str, String>,
    /// Special tokens that play no role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extra_special_tokens: Vec<String>,
}

impl TokenizerInfo {
    pub fn new(tokenizer: &InForce) -> Self {
        Self {
            class: tokenizer.class,
            model: tokenizer.model,
            lowercase: tokenizer.lowercase,
            strip_accents: tokenizer.strip_accents,
            tokenize_chinese_chars: tokenizer.tokenize_chinese_chars,
            add_prefix_space: tokenizer.add_prefix_space,
            token_types: tokenizer.token_types,
            max_length: tokenizer.max_length.filter(|limit| *limit < NO_LIMIT),
            truncation_side: tokenizer.truncation_side.name(),
            padding_side: tokenizer.padding_side.name(),
            special_tokens: tokenizer.special_tokens.clone(),
            extra_special_tokens: tokenizer.extra_special_tokens.clone(),
        }
    }
}

/// Files that know no limit write one beyond all texts, 1e30 for one.
const NO_LIMIT: usize = 1_000_000_000;
