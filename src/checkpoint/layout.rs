//! The Hugging Face layout: which files make a checkpoint, under which names.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub const CONFIG: &str = "config.json";
/// The weights in one file, as most checkpoints have them.
pub const WEIGHTS: &str = "model.safetensors";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub const ADDED_TOKENS: &str = "added_tokens.json";
/// WordPiece's vocabulary, where there is no tokenizer.json.
pub const VOCAB_TXT: &str = "vocab.txt";
/// Byte-level BPE's vocabulary and merges, where there is no tokenizer.json.
pub const VOCAB_JSON: &str = "vocab.json";
pub const MERGES: &str = "merges.txt";
/// What sentence-transformers adds: the steps after the encoder, and how its
/// states become one vector.
pub const MODULES: &str = "modules.json";
pub const POOLING: &str = "1_Pooling/config.json";

/// Its model's kind, prompts and activation.
pub const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
/// Its transformer's settings, by the names that versions of it gave the file.
pub const SENTENCE_TRANSFORMER: &[&str] = &[
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// What PEFT adds: which weights of which model are changed.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// What SetFit adds: labels; its classifier as scikit-learn pickles it, which is code.
pub const SET_FIT: &str = "config_setfit.json";
pub const PICKLED_HEAD: &str = "model_head.pkl";

/// Read if it is there and [`TOKENIZER`] is not.
pub const VOCABULARIES: &[&str] = &[VOCAB_TXT, VOCAB_JSON, MERGES];

/// Read if they are there.
pub const OPTIONAL: &[&str] =
    &[TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, MODULES, POOLING, ADAPTER_CONFIG, SET_FIT];

/// The tokenizers that cannot be read, only named.
pub const SENTENCEPIECE: &[&str] = &["sentencepiece.bpe.model", "spm.model", "spiece.model"];

/// How a file holds tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Pytorch,
}

/// A way to keep weights: in one file, or in several that an index names.
#[derive(Debug)]
pub struct WeightLayout {
    pub whole: &'static str,
    /// Names several files in its place.
    pub index: Option<&'static str>,
    pub format: Format,
}

/// The first that a checkpoint has is read.
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

/// The same of an adapter.
pub static ADAPTER_LAYOUTS: &[WeightLayout] = &[
    WeightLayout { whole: "adapter_model.safetensors", index: None, format: Format::Safetensors },
    WeightLayout { whole: "adapter_model.bin", index: None, format: Format::Pytorch },
];

/// A classifier on an embedding, exported from [`PICKLED_HEAD`].
pub static HEAD_LAYOUTS: &[WeightLayout] =
    &[WeightLayout { whole: "model_head.safetensors", index: None, format: Format::Safetensors }];

/// More shards are a mistake: each is an open file.
const SHARDS: usize = 512;

/// The files that an index names, sorted. They lie beside it: an index cannot
/// point out of its checkpoint.
pub fn shards(index: &[u8]) -> Result<BTreeSet<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if let Some(odd) = shards.iter().find(|name| !is_plain(name)) {
        return Err(format!("names {odd:?}, which is no file beside it"));
    }
    match shards.len() {
        0 => Err("names no file".to_owned()),
        1..=SHARDS => Ok(shards),
        count => Err(format!("names {count} files; at most {SHARDS} are read")),
    }
}

/// Whether this is a folder's name, or a few one in the other, that lead nowhere else.
pub fn is_folder(path: &str) -> bool {
    path.split('/').count() <= 3 && path.split('/').all(is_plain)
}

fn is_plain(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_stays_in_its_folder() {
        let read =
            |file: &str| shards(format!(r#"{{"weight_map": {{"a": {file:?}}}}}"#).as_bytes());
        assert!(read("model-00001-of-00002.safetensors").is_ok());
        for odd in ["", "..", "../a", "/etc/passwd", "a/b", "a\\b", "a\0", ".hidden"] {
            assert!(read(odd).is_err(), "{odd:?}");
        }
        assert!(shards(br#"{"weight_map": {}}"#).is_err());
        assert!(shards(b"{}").is_err());
    }
}
