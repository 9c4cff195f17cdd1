//! The effective settings of a tokenizer. They are determined from the rebuilt tokenizer,
//! because transformers ignores some of the settings in the files.

use std::collections::BTreeMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{NormalizedString, Normalizer as _, Tokenizer};

use super::rebuild::Rebuilt;
use super::tokenizer_config::TokenizerConfig;
use super::truncation::Side;
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER_CONFIG};

#[derive(Debug, Clone)]
pub struct InForce {
    /// The transformers class; `TokenizersBackend` if tokenizer.json is used as it is.
    pub class: &'static str,
    pub model: &'static str,
    pub lowercase: bool,
    pub strip_accents: bool,
    /// Whether each Chinese character is split off as a word.
    pub tokenize_chinese_chars: bool,
    /// Whether a space is added before a text.
    pub add_prefix_space: bool,
    /// Whether the model receives `token_type_ids`, which distinguish the texts of a pair.
    pub token_types: bool,
    /// The tokenizer's own limit, in tokens. The model's may be lower.
    pub max_length: Option<usize>,
    pub truncation_side: Side,
    pub padding_side: Side,
    /// By role, such as `mask_token`.
    pub special_tokens: BTreeMap<&'static str, String>,
    pub extra_special_tokens: Vec<String>,
}

impl InForce {
    /// Reads the settings. tokenizer_config.json overrides the tokenizer itself.
    pub fn read(
        checkpoint: &Checkpoint,
        config: &TokenizerConfig,
        rebuilt: &Rebuilt,
    ) -> Result<Self, LoadError> {
        let side = |name: &str, own: Side| match config.field(name).as_str() {
            None => Ok(own),
            Some(value) => Side::of(value).ok_or_else(|| {
                let reason = format!("{name} {value:?} is neither left nor right");
                checkpoint.error(TOKENIZER_CONFIG, reason)
            }),
        };
        let sentence_limit = checkpoint.sentence().and_then(|sentence| sentence.max_seq_length);
        let measured = Self::measure(rebuilt);
        Ok(Self {
            truncation_side: side("truncation_side", measured.truncation_side)?,
            padding_side: side("padding_side", measured.padding_side)?,
            token_types: config.gives("token_type_ids").unwrap_or(measured.token_types),
            max_length: sentence_limit.or(config.max_length()),
            ..measured
        })
    }

    /// Determines the settings from the tokenizer alone.
    fn measure(rebuilt: &Rebuilt) -> Self {
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
            add_prefix_space: adds_prefix_space(tokenizer),
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

/// Whether the first piece starts with a space: `Ġ` in byte-level BPE, `▁` in sentencepiece.
fn adds_prefix_space(tokenizer: &Tokenizer) -> bool {
    let Ok(encoding) = tokenizer.encode("a", false) else { return false };
    encoding.get_tokens().first().is_some_and(|piece| piece.starts_with(['Ġ', '▁']))
}
