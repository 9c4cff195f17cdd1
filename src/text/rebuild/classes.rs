//! The table of transformers' tokenizer classes.

use super::super::tokenizer_config::TokenizerConfig;
use super::class::Class;
use super::{byte_level, unigram, word_piece};

/// The transformers class of tokenizers that use their tokenizer.json as it is.
pub const GENERIC: &str = "TokenizersBackend";

/// All classes that are rebuilt. Others are [`GENERIC`].
static CLASSES: &[&Class] = &[
    &word_piece::BERT,
    &word_piece::DISTILBERT,
    &word_piece::MPNET,
    &byte_level::ROBERTA,
    &byte_level::DEBERTA,
    &unigram::ALBERT,
    &unigram::CAMEMBERT,
    &unigram::DEBERTA_V2,
    &unigram::XLM_ROBERTA,
];

/// Architectures whose tokenizer.json is used as it is, whatever class a file names.
const ALWAYS_GENERIC: &[&str] = &["modernbert"];

/// Returns the class of a checkpoint with a tokenizer.json, by the rules of AutoTokenizer.
pub fn of(config: &TokenizerConfig) -> Option<&'static Class> {
    let model_type = config.model_type.as_deref().unwrap_or_default();
    match &config.class {
        _ if ALWAYS_GENERIC.contains(&model_type) => None,
        Some(name) => named(name),
        None => CLASSES.iter().copied().find(|class| class.model_types.contains(&model_type)),
    }
}

pub fn named(name: &str) -> Option<&'static Class> {
    CLASSES.iter().copied().find(|class| class.name == name || class.aliases.contains(&name))
}
