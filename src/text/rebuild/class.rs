//! How a tokenizer class of transformers builds a tokenizer from a vocabulary.

use serde_json::Value;
use tokenizers::models::ModelWrapper;

use super::super::tokenizer_config::TokenizerConfig;
use super::special::{Ids, Role, Roles};
use crate::checkpoint::LoadError;

/// A class that builds its tokenizer from a vocabulary and its own fields, and ignores
/// everything else in tokenizer.json.
pub struct Class {
    pub name: &'static str,
    /// Other transformers classes with the same behaviour.
    pub aliases: &'static [&'static str],
    /// The `model_type`s that use it if no file names a class.
    pub model_types: &'static [&'static str],
    /// Whether it returns `token_type_ids` if there is no `model_input_names`.
    pub token_types: bool,
    /// The default special tokens.
    pub roles: &'static [Role],
    /// Whether the mask token absorbs the space before it.
    pub mask_takes_space: bool,
    /// The vocabulary file to use if there is no tokenizer.json.
    pub vocabulary: Option<&'static str>,
    /// Applies the class's settings to a model; `None` if it is of another kind.
    pub model: fn(&ModelWrapper, &Roles<'_>) -> Option<Result<ModelWrapper, String>>,
    /// The normalizers, in order.
    pub normalizers: fn(&TokenizerConfig) -> Vec<Value>,
    /// Whether to run sentencepiece's precompiled charsmap after them, if tokenizer.json has it.
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
