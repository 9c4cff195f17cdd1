//! Unsupported variants are rejected.

use std::path::Path;

use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use serde_json::{Value, json};

use super::{folder_with, shrunk, tiny_config};

fn error(folder: &Path) -> String {
    let source = Source::Directory(folder.to_owned());
    let loaded = Model::load("refused", &source, &Placement::default());
    loaded.err().expect("loading must fail").to_string()
}

/// Returns the error of loading `tiny` with `change` in its config.json.
fn changed_error(tiny: &str, change: &Value) -> String {
    let mut config = tiny_config(tiny);
    for (name, value) in change.as_object().unwrap() {
        config[name] = value.clone();
    }
    error(folder_with(tiny, &config).path())
}

#[test]
fn unsupported_variants_are_rejected() {
    let relative = json!({"position_embedding_type": "relative_key"});
    let yarn = json!({"rope_scaling": {"type": "yarn", "factor": 4.0}});
    let full = json!({"rope_theta": 160.0, "rope_type": "linear", "factor": 2.0});
    let linear = json!({"rope_parameters": {"full_attention": full, "sliding_attention": null}});
    let cases = [
        ("bert-tiny", relative.clone(), "position_embedding_type \"relative_key\""),
        ("albert-sequence", relative.clone(), "position_embedding_type"),
        ("xlm-roberta-sequence", relative, "position_embedding_type"),
        ("bert-tiny", json!({"is_decoder": true}), "is_decoder is true"),
        ("roberta-sequence", json!({"add_cross_attention": true}), "add_cross_attention is true"),
        ("modernbert-sequence", yarn, "rope_type \"yarn\""),
        ("modernbert-sequence", linear, "rope_type \"linear\""),
        ("modernbert-sequence", json!({"layer_types": ["full_attention"]}), "layer_types"),
        ("modernbert-sequence", json!({"classifier_pooling": "max"}), "classifier_pooling \"max\""),
        ("deberta-v3-sequence", json!({"relative_attention": false}), "relative_attention"),
        ("deberta-v3-sequence", json!({"embedding_size": 10}), "embedding_size"),
        ("mpnet-qa", json!({"relative_attention_num_buckets": 16}), "is 16, less than 32"),
    ];
    for (tiny, change, words) in cases {
        let error = changed_error(tiny, &change);
        assert!(error.contains("config.json") && error.contains(words), "{error}");
    }
}

/// The config.json of a base model names no class and so no head.
#[test]
fn a_config_without_architectures_is_rejected() {
    let config = shrunk("deberta-v3-base", &tiny_config("deberta-v3-nli"));
    let error = error(folder_with("deberta-v3-nli", &config).path());
    assert!(error.contains("architectures names"), "{error}");
}
