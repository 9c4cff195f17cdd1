//! The Hugging Face layout: the names of the files of a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub const CONFIG: &str = "config.json";
/// All weights in one file, the usual form.
pub const WEIGHTS: &str = "model.safetensors";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub const ADDED_TOKENS: &str = "added_tokens.json";
/// The WordPiece vocabulary of checkpoints without tokenizer.json.
pub const VOCAB_TXT: &str = "vocab.txt";
/// The byte-level BPE vocabulary and merges of checkpoints without tokenizer.json.
pub const VOCAB_JSON: &str = "vocab.json";
pub const MERGES: &str = "merges.txt";
/// sentence-transformers: the modules, and the pooling of hidden states.
pub const MODULES: &str = "modules.json";
pub const POOLING: &str = "1_Pooling/config.json";

/// sentence-transformers: kind of model, prompts and activation.
pub const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
/// sentence-transformers: settings of the transformer, under the file names of all versions.
pub const SENTENCE_TRANSFORMER: &[&str] = &[
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// PEFT: the adapter's kind and base model.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// SetFit: labels, and the classifier as a scikit-learn pickle, which is executable code.
pub const SET_FIT: &str = "config_setfit.json";
pub const PICKLED_HEAD: &str = "model_head.pkl";

/// Read, if they exist, when [`TOKENIZER`] is missing.
pub const VOCABULARIES: &[&str] = &[VOCAB_TXT, VOCAB_JSON, MERGES];

/// Read if they exist.
pub const OPTIONAL: &[&str] =
    &[TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, MODULES, POOLING, ADAPTER_CONFIG, SET_FIT];

/// Tokenizers that are not supported; errors name them.
pub const SENTENCEPIECE: &[&str] = &["sentencepiece.bpe.model", "spm.model", "spiece.model"];

/// The format of a weight file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Pytorch,
}

/// The names of weight files: one file, or several listed in an index.
#[derive(Debug)]
pub struct WeightLayout {
    pub whole: &'static str,
    /// Lists the shards, if the weights are split.
    pub index: Option<&'static str>,
    pub format: Format,
}

/// In order of precedence: the first layout that exists is read.
pub static WEIGHT_LAYOUTS: &[WeightLayout] = &[
    WeightLayout {
        whole: WEIGHTS,
        index: Some("model.safetensors.index.json"),
        format: Format::Safetensors,
    },
    WeightLayout {
        whole: "pytorch_model.bin",
        index: Some("pytorch_model.bin.index.json"),
        format: Format::Pytorch,
    },
];

/// Like [`WEIGHT_LAYOUTS`], for adapters.
pub static ADAPTER_LAYOUTS: &[WeightLayout] = &[
    WeightLayout { whole: "adapter_model.safetensors", index: None, format: Format::Safetensors },
    WeightLayout { whole: "adapter_model.bin", index: None, format: Format::Pytorch },
];

/// A classifier after the embedding, exported from [`PICKLED_HEAD`].
pub static HEAD_LAYOUTS: &[WeightLayout] =
    &[WeightLayout { whole: "model_head.safetensors", index: None, format: Format::Safetensors }];

/// Maximum number of shards. Each is an open file.
const MAX_SHARDS: usize = 512;

/// Returns the files that an index lists, sorted. They must be plain names, so that an index
/// cannot point outside its folder.
pub fn shards(index: &[u8]) -> Result<BTreeSet<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if let Some(name) = shards.iter().find(|name| !is_plain(name)) {
        return Err(format!("names {name:?}, which is not a file in the same folder"));
    }
    match shards.len() {
        0 => Err("lists no files".to_owned()),
        1..=MAX_SHARDS => Ok(shards),
        count => Err(format!("lists {count} files; the maximum is {MAX_SHARDS}")),
    }
}

/// Whether `path` is a relative path of at most three plain folder names.
pub fn is_folder(path: &str) -> bool {
    path.split('/').count() <= 3 && path.split('/').all(is_plain)
}

fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_stays_in_its_folder() {
        let read =
            |file: &str| shards(format!(r#"{{"weight_map": {{"a": {file:?}}}}}"#).as_bytes());
        assert!(read("model-00001-of-00002.safetensors").is_ok());
        for invalid in ["", "..", "../a", "/etc/passwd", "a/b", "a\\b", "a\0", ".hidden"] {
            assert!(read(invalid).is_err(), "{invalid:?}");
        }
        assert!(shards(br#"{"weight_map": {}}"#).is_err());
        assert!(shards(b"{}").is_err());
    }
}
