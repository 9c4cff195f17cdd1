//! Checkpoints that must be refused, with the file and what is wrong in it.

mod hub;
mod names;
mod parts;
mod pickles;
mod tokenizer_fields;
mod tokenizers;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::rows::Row;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{golden_folder, input};

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

/// What a model says of a text, to the last bit.
fn logits(model: &Model) -> Vec<u64> {
    let input = input("This movie is really great.", Some("no"));
    let row = Row::forward(model.encode(&input, Truncate::No).unwrap().ids, [].into());
    let output = model.run(&[row]).unwrap().remove(0);
    output.logits.iter().map(|logit| logit.to_bits()).collect()
}

fn with_tensors(folder: &Path, edit: impl FnOnce(&mut HashMap<String, Tensor>)) {
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
    let cases: [(Value, &[&str]); 7] = [
        (json!({"model_type": "gpt2"}), &["config.json", "gpt2", "bert"]),
        (
            json!({"architectures": ["BertForMultipleChoice"]}),
            &["config.json", "BertForMultipleChoice"],
        ),
        (json!({"num_attention_heads": 5}), &["config.json", "24", "5"]),
        (json!({"hidden_act": "swiglu"}), &["config.json", "swiglu"]),
        (json!({"num_hidden_layers": -1}), &["config.json"]),
        (json!({"id2label": {"0": "a"}}), &["config.json", "id2label", "3 outputs"]),
        (json!({"id2label": {"x": "a"}}), &["config.json", "id2label"]),
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
fn types_of_numbers_load_as_f32() {
    let exact = logits(&load(copy().path()).unwrap());
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let folder = copy();
        let convert = |to: DType| {
            with_tensors(folder.path(), |tensors| {
                tensors.values_mut().for_each(|tensor| *tensor = tensor.to_dtype(to).unwrap());
            });
        };
        convert(dtype);
        edit_config(folder.path(), |config| config["dtype"] = json!("float16"));
        let model = load(folder.path()).unwrap();
        assert_eq!(model.dtype(), "f32");
        convert(DType::F32);
        let rounded = load(folder.path()).unwrap();
        assert_eq!(logits(&model), logits(&rounded), "{dtype:?}");
        assert_eq!(logits(&model) == exact, dtype == DType::F64, "{dtype:?}");
    }
}

/// Spreads the tensors over two files and an index.
fn shard(folder: &Path) {
    let path = folder.join("model.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    fs::remove_file(path).unwrap();
    let mut shards = [HashMap::new(), HashMap::new()];
    let mut places = serde_json::Map::new();
    for (name, tensor) in tensors {
        let shard = name.len() % 2;
        places.insert(name.clone(), json!(shard_name(shard)));
        shards[shard].insert(name, tensor);
    }
    for (number, tensors) in shards.iter().enumerate() {
        candle_core::safetensors::save(tensors, folder.join(shard_name(number))).unwrap();
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": places});
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

const INDEX: &str = "model.safetensors.index.json";

fn shard_name(number: usize) -> String {
    format!("model-{:05}-of-00002.safetensors", number + 1)
}

#[test]
fn shards_make_the_same_model() {
    let folder = copy();
    let whole = logits(&load(folder.path()).unwrap());
    shard(folder.path());
    let model = load(folder.path()).unwrap();
    assert_eq!(logits(&model), whole);
    let other = folder.path().join(shard_name(1));
    let data = fs::read(&other).unwrap();
    fs::write(&other, &data[..data.len() - 4]).unwrap();
    let error = load(folder.path()).err().unwrap();
    assert!(error.contains(&shard_name(1)), "{error}");
    fs::write(&other, data).unwrap();
    assert_eq!(load(folder.path()).unwrap().revision, model.revision);
}

#[test]
fn shards_that_do_not_fit_are_named() {
    let sharded = |breaking: &dyn Fn(&Path), words: &[&str]| {
        refused(
            |folder| {
                shard(folder);
                breaking(folder);
            },
            words,
        );
    };
    sharded(&|folder| fs::remove_file(folder.join(shard_name(0))).unwrap(), &[&shard_name(0)]);
    sharded(&|folder| fs::write(folder.join(INDEX), "{}").unwrap(), &[INDEX, "weight_map"]);
    let outside = json!({"weight_map": {"a": "../model.safetensors"}});
    sharded(
        &|folder| fs::write(folder.join(INDEX), outside.to_string()).unwrap(),
        &[INDEX, "../model.safetensors"],
    );
    let twice = |folder: &Path| {
        fs::copy(folder.join(shard_name(0)), folder.join(shard_name(1))).map(drop).unwrap();
    };
    sharded(&twice, &[&shard_name(1), "twice"]);
}

#[test]
fn lists_of_tensors_that_lie() {
    let header = |text: &str| {
        let mut file = (text.len() as u64).to_le_bytes().to_vec();
        file.extend(text.as_bytes());
        file.extend([0; 8]);
        file
    };
    for (text, words) in [
        (r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 80]}}"#, &[][..]),
        (r#"{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}"#, &[]),
        (
            r#"{"a": {"dtype": "F32", "shape": [9223372036854775807, 4], "data_offsets": [0, 8]}}"#,
            &[],
        ),
        (r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#, &["4 bytes", "8"]),
        (r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}"#, &[]),
        ("[", &[]),
    ] {
        let write =
            |folder: &Path| fs::write(folder.join("model.safetensors"), header(text)).unwrap();
        refused(write, &[&["model.safetensors"], words].concat());
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    let name = "classifier.bias";
    let odd = || Tensor::new(&[0_f32, f32::NAN, 0.], &Device::Cpu).unwrap();
    let whole = || Tensor::zeros(3, DType::I64, &Device::Cpu).unwrap();
    refused(|f| with_tensors(f, |t| drop(t.insert(name.to_owned(), odd()))), &[name, "finite"]);
    refused(|f| with_tensors(f, |t| drop(t.insert(name.to_owned(), whole()))), &[name, "I64"]);
}

/// A file that is too large for what it should be is not read to its end.
#[test]
fn a_small_file_must_be_small() {
    let name = "tokenizer_config.json";
    let grow = |folder: &Path| {
        let file = fs::OpenOptions::new().write(true).open(folder.join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    refused(grow, &[name, "larger than"]);
}

#[test]
fn a_revision_is_of_the_content() {
    let folder = copy();
    let one = load(folder.path()).unwrap().revision.clone();
    assert_eq!(one, load(copy().path()).unwrap().revision);
    edit_config(folder.path(), |config| config["note"] = json!("changed"));
    assert_ne!(one, load(folder.path()).unwrap().revision);
}
