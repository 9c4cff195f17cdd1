//! Checkpoints that must be refused, with the file and what is wrong in it.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::golden_folder;

fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(golden_folder("bert-tiny").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Result<Model, String> {
    let source = Source::Directory(folder.to_owned());
    Model::load("broken", &source, &Placement::default()).map_err(|error| error.to_string())
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

/// Loads after `breaking` and expects each of `words` in the error.
fn refused(breaking: impl FnOnce(&Path), words: &[&str]) {
    let folder = copy();
    breaking(folder.path());
    let error = load(folder.path()).err().expect("it must be refused");
    for word in words {
        assert!(error.contains(word), "{word:?} in {error:?}");
    }
}

#[test]
fn the_untouched_copy_loads() {
    assert!(load(copy().path()).is_ok());
}

#[test]
fn missing_files_are_named() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        refused(|folder| fs::remove_file(folder.join(name)).unwrap(), &[name]);
    }
}

#[test]
fn tokenizer_config_may_be_absent() {
    let folder = copy();
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    assert_eq!(load(folder.path()).unwrap().text.max_tokens, 40);
}

#[test]
fn truncated_and_lying_weights() {
    let weights = "model.safetensors";
    refused(
        |folder| {
            let data = fs::read(folder.join(weights)).unwrap();
            fs::write(folder.join(weights), &data[..data.len() / 2]).unwrap();
        },
        &[weights],
    );
    refused(
        |folder| {
            let mut data = fs::read(folder.join(weights)).unwrap();
            data[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            fs::write(folder.join(weights), data).unwrap();
        },
        &[weights],
    );
}

fn with_tensors(folder: &Path, edit: impl FnOnce(&mut std::collections::HashMap<String, Tensor>)) {
    let path = folder.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    edit(&mut tensors);
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_missing_tensor_and_a_wrong_shape_are_named() {
    let name = "bert.encoder.layer.1.output.dense.weight";
    refused(|f| with_tensors(f, |t| drop(t.remove(name))), &["model.safetensors", name]);
    let odd = || Tensor::zeros((24, 41), DType::F32, &Device::Cpu).unwrap();
    refused(
        |f| with_tensors(f, |t| drop(t.insert(name.to_owned(), odd()))),
        &[name, "[24, 41]", "[24, 40]"],
    );
}

#[test]
fn configurations_that_make_no_sense() {
    let cases: [(Value, &[&str]); 6] = [
        (json!({"model_type": "gpt2"}), &["config.json", "gpt2", "bert"]),
        (
            json!({"architectures": ["BertForMultipleChoice"]}),
            &["config.json", "BertForMultipleChoice"],
        ),
        (json!({"num_attention_heads": 5}), &["config.json", "24", "5"]),
        (json!({"hidden_act": "swiglu"}), &["config.json", "swiglu"]),
        (json!({"num_hidden_layers": -1}), &["config.json"]),
        (json!({"id2label": {"0": "a"}}), &["config.json", "id2label"]),
    ];
    for (change, words) in cases {
        let change = change.as_object().unwrap().clone();
        refused(
            |folder| {
                edit_config(folder, |config| {
                    config.as_object_mut().unwrap().extend(change);
                });
            },
            words,
        );
    }
    refused(|folder| fs::write(folder.join("config.json"), "{").unwrap(), &["config.json"]);
    refused(|folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap(), &["tokenizer.json"]);
}

#[test]
fn half_precision_weights_load_as_f32() {
    let folder = copy();
    with_tensors(folder.path(), |tensors| {
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(DType::F16).unwrap();
        }
    });
    assert_eq!(load(folder.path()).unwrap().dtype(), "f32");
}

#[test]
fn a_revision_is_of_the_content() {
    let folder = copy();
    let one = load(folder.path()).unwrap().revision;
    assert_eq!(one, load(copy().path()).unwrap().revision);
    edit_config(folder.path(), |config| config["note"] = json!("changed"));
    assert_ne!(one, load(folder.path()).unwrap().revision);
}
