//! What tokenizer_config.json says, and special_tokens_map.json where it is
//! silent.

use serde_json::Value;

use crate::checkpoint::layout::SPECIAL_TOKENS;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, TOKENIZER_CONFIG};

pub struct TokenizerConfig {
    /// May be as large as 1e30 in files that know no limit.
    pub max_length: usize,
    /// transformers' class, without `Fast`.
    pub class: Option<String>,
    file: Value,
    special_tokens: Value,
}

impl TokenizerConfig {
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        let file = json(checkpoint, TOKENIZER_CONFIG)?;
        let special_tokens = json(checkpoint, SPECIAL_TOKENS)?;
        let own = checkpoint.sentence().and_then(|sentence| sentence.max_seq_length);
        let max_length = match (own, file["model_max_length"].as_f64()) {
            (Some(limit), _) => limit,
            (None, Some(limit)) if limit >= 1. => limit as usize,
            (None, _) => usize::MAX,
        };
        let model = json(checkpoint, CONFIG)?;
        let class = [&file, &model].into_iter().find_map(|file| file["tokenizer_class"].as_str());
        let class = class.map(|class| class.strip_suffix("Fast").unwrap_or(class).to_owned());
        Ok(Self { max_length, class, file, special_tokens })
    }

    /// A special token such as `pad_token`: a string, or an object with its
    /// content.
    pub fn special(&self, role: &str) -> Option<&str> {
        self.special_entry(role).and_then(content)
    }

    /// The same as it is written.
    pub fn special_entry(&self, role: &str) -> Option<&Value> {
        let files = [&self.file, &self.special_tokens];
        files.into_iter().map(|file| &file[role]).find(|entry| content(entry).is_some())
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.file[name].as_bool()
    }

    /// A field as it is written; null where it is not.
    pub fn field(&self, name: &str) -> &Value {
        &self.file[name]
    }
}

fn content(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry["content"].as_str())
}

/// A small JSON file, or null where there is none.
pub fn json(checkpoint: &Checkpoint, name: &str) -> Result<Value, LoadError> {
    match checkpoint.file(name) {
        Some(data) => serde_json::from_slice(data).map_err(|error| checkpoint.error(name, error)),
        None => Ok(Value::Null),
    }
}
