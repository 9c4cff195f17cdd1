//! A model's tokenizer, as reported by GET /models.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::text::InForce;

/// The tokenizer that results from the files of a checkpoint.
#[derive(Serialize, ToSchema)]
pub struct TokenizerInfo {
    /// The class in transformers. `TokenizersBackend` follows tokenizer.json; other classes are
    /// built from their vocabulary and their own fields.
    #[schema(example = "BertTokenizer")]
    class: &'static str,
    /// `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    #[schema(example = "WordPiece")]
    model: &'static str,
    /// Whether texts are lowercased.
    lowercase: bool,
    /// Whether accents are removed (é becomes e).
    strip_accents: bool,
    /// Whether each Chinese character is split off first.
    tokenize_chinese_chars: bool,
    /// Whether a space is added before a text.
    add_prefix_space: bool,
    /// Whether the model has token types, which distinguish the texts of a pair.
    token_types: bool,
    /// The tokenizer's own limit, if any; the model's may be lower, see `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    /// The side that `truncate` cuts: `left` or `right`.
    #[schema(example = "right")]
    truncation_side: &'static str,
    /// The padding side in the files. explaind does not pad.
    #[schema(example = "right")]
    padding_side: &'static str,
    /// Special tokens by role.
    special_tokens: BTreeMap<&'static str, String>,
    /// Special tokens without a role.
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

/// Files without a limit contain a huge number instead, such as 1e30.
const NO_LIMIT: usize = 1_000_000_000;
