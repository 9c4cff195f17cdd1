//! transformers' tokenizer classes: what each makes of a vocabulary.

use serde_json::Value;
use tokenizers::models::ModelWrapper;

use super::super::tokenizer_config::TokenizerConfig;
use super::special::{Ids, Role, Roles};
use super::{byte_level, unigram, word_piece};
use crate::checkpoint::LoadError;

/// A class that builds its tokenizer from a vocabulary and its own fields, whatever else a
/// tokenizer.json says.
pub struct Class {
    pub name: &'static str,
    /// transformers' other names for it.
    pub aliases: &'static [&'static str],
    /// The `model_type`s whose tokenizer it is where no file names a class.
    pub model_types: &'static [&'static str],
    /// Whether it gives the model token types where `model_input_names` does not say.
    pub token_types: bool,
    /// The special tokens that it has unless a file says otherwise.
    pub roles: &'static [Role],
    /// Whether its mask token takes the space before it.
    pub mask_takes_space: bool,
    /// The file that it can be rebuilt from where there is no tokenizer.json.
    pub vocabulary: Option<&'static str>,
    /// The model with the class's own settings; none if it is of another kind.
    pub model: fn(&ModelWrapper, &Roles<'_>) -> Option<Result<ModelWrapper, String>>,
    /// The normalizers that run one after the other.
    pub normalizers: fn(&TokenizerConfig) -> Vec<Value>,
    /// Whether sentencepiece's own normalization runs after them, where tokenizer.json has it.
    pub charsmap: bool,
    pub pre_tokenizer: fn(&TokenizerConfig) -> Value,
    pub decoder: fn(&TokenizerConfig) -> Value,
    pub post_processor: fn(&Ids<'_>) -> Result<Value, LoadError>,
}

impl Class {
    pub fn roles<'a>(&self, config: &'a TokenizerConfig) -> Roles<'a> {
        Roles { config, defaults: self.roles, mask_takes_space: self.mask_takes_space }
    }
}

/// What transformers calls tokenizers that are what their tokenizer.json says.
pub const GENERIC: &str = "TokenizersBackend";

/// Every class that is rebuilt. Others are [`GENERIC`].
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

/// The architectures whose tokenizer.json is taken as it is, whatever class a file names.
const AS_IT_IS: &[&str] = &["modernbert"];

/// The class of a checkpoint with a tokenizer.json, as AutoTokenizer finds it.
pub fn of(config: &TokenizerConfig) -> Option<&'static Class> {
    let model_type = config.model_type.as_deref().unwrap_or_default();
    match &config.class {
        _ if AS_IT_IS.contains(&model_type) => None,
        Some(name) => named(name),
        None => CLASSES.iter().copied().find(|class| class.model_types.contains(&model_type)),
    }
}

pub fn named(name: &str) -> Option<&'static Class> {
    CLASSES.iter().copied().find(|class| class.name == name || class.aliases.contains(&name))
}
