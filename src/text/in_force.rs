//! What a tokenizer does, as it is found to do it: what its files say is one thing, and what
//! transformers makes of them another.

use std::collections::BTreeMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{NormalizedString, Normalizer as _, Tokenizer};

use super::rebuild::Rebuilt;
use super::tokenizer_config::TokenizerConfig;
use super::truncation::Side;
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER_CONFIG};

#[derive(Debug, Clone)]
pub struct InForce {
    /// transformers' class. `TokenizersBackend` is what its tokenizer.json says.
    pub class: &'static str,
    pub model: &'static str,
    pub lowercase: bool,
    pub strip_accents: bool,
    /// Whether each Chinese character is a word of its own before it is looked up.
    pub tokenize_chinese_chars: bool,
    /// Whether a text is read as if a space came before it.
    pub add_prefix_space: bool,
    /// Whether the model is told which text of a pair a token is of.
    pub token_types: bool,
    /// The tokenizer's own limit. The model's may be lower.
    pub max_length: Option<usize>,
    pub truncation_side: Side,
    pub padding_side: Side,
    /// By role, such as `mask_token`.
    pub special_tokens: BTreeMap<&'static str, String>,
    pub extra_special_tokens: Vec<String>,
}

impl InForce {
    /// What the files beside the tokenizer say goes before what it says itself.
    pub fn read(
        checkpoint: &Checkpoint,
        config: &TokenizerConfig,
        rebuilt: &Rebuilt,
    ) -> Result<Self, LoadError> {
        let side = |name: &str, own: Side| match config.field(name).as_str() {
            None => Ok(own),
            Some(said) => Side::of(said).ok_or_else(|| {
                let reason = format!("{name} {said:?} is neither left nor right");
                checkpoint.error(TOKENIZER_CONFIG, reason)
            }),
        };
        let own = checkpoint.sentence().and_then(|sentence| sentence.max_seq_length);
        let seen = Self::seen(rebuilt);
        Ok(Self {
            truncation_side: side("truncation_side", seen.truncation_side)?,
            padding_side: side("padding_side", seen.padding_side)?,
            token_types: config.gives("token_type_ids").unwrap_or(seen.token_types),
            max_length: own.or(config.max_length()),
            ..seen
        })
    }

    /// What can be seen of a tokenizer by itself.
    fn seen(rebuilt: &Rebuilt) -> Self {
        let tokenizer = &rebuilt.tokenizer;
        Self {
            class: rebuilt.class,
            model: match tokenizer.get_model() {
                ModelWrapper::BPE(_) => "BPE",
                ModelWrapper::WordPiece(_) => "WordPiece",
                ModelWrapper::WordLevel(_) => "WordLevel",
                ModelWrapper::Unigram(_) => "Unigram",
            },
            lowercase: normalized(tokenizer, "A").contains('a'),
            strip_accents: normalized(tokenizer, "é") == normalized(tokenizer, "e"),
            tokenize_chinese_chars: normalized(tokenizer, "影").starts_with(' '),
            add_prefix_space: has_space(tokenizer),
            token_types: rebuilt.token_types,
            max_length: None,
            truncation_side: rebuilt.truncation_side.unwrap_or(Side::Right),
            padding_side: rebuilt.padding_side.unwrap_or(Side::Right),
            special_tokens: rebuilt.special_tokens.clone(),
            extra_special_tokens: rebuilt.extra_special_tokens.clone(),
        }
    }
}

fn normalized(tokenizer: &Tokenizer, text: &str) -> String {
    let mut normal = NormalizedString::from(text);
    match tokenizer.get_normalizer().map(|normalizer| normalizer.normalize(&mut normal)) {
        Some(Err(_)) => text.to_owned(),
        Some(Ok(())) | None => normal.get().to_owned(),
    }
}

/// Byte-level pieces and sentencepiece's write a space as `Ġ` and `▁`.
fn has_space(tokenizer: &Tokenizer) -> bool {
    let Ok(encoding) = tokenizer.encode("a", false) else { return false };
    encoding.get_tokens().first().is_some_and(|piece| piece.starts_with(['Ġ', '▁']))
}
