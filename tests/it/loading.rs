//! Loading of checkpoints, and errors that name the file and the problem.

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

/// Asserts that loading fails after `change`, with an error that contains each of `words`.
fn rejected(change: impl FnOnce(&Path), words: &[&str]) {
    let folder = copy();
    change(folder.path());
    let error = load(folder.path()).err().expect("loading must fail");
    for word in words {
        assert!(error.contains(word), "{word:?} in {error:?}");
    }
}

#[test]
fn the_unchanged_copy_loads() {
    assert!(load(copy().path()).is_ok());
}

#[test]
fn missing_files_are_named() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        rejected(|folder| fs::remove_file(folder.join(name)).unwrap(), &[name]);
    }
}

#[test]
fn tokenizer_config_is_optional() {
    let folder = copy();
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    assert_eq!(load(folder.path()).unwrap().text.max_tokens, 40);
}

#[test]
fn truncated_weights_and_invalid_header_length() {
    let weights = "model.safetensors";
    rejected(
        |folder| {
            let data = fs::read(folder.join(weights)).unwrap();
            fs::write(folder.join(weights), &data[..data.len() / 2]).unwrap();
        },
        &[weights],
    );
    rejected(
        |folder| {
            let mut data = fs::read(folder.join(weights)).unwrap();
            data[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            fs::write(folder.join(weights), data).unwrap();
        },
        &[weights],
    );
}

/// Returns the bits of the logits of a text.
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
    rejected(|f| with_tensors(f, |t| drop(t.remove(name))), &["model.safetensors", name]);
    let odd = || Tensor::zeros((24, 41), DType::F32, &Device::Cpu).unwrap();
    rejected(
        |f| with_tensors(f, |t| drop(t.insert(name.to_owned(), odd()))),
        &[name, "[24, 41]", "[24, 40]"],
    );
}

#[test]
fn invalid_configurations_are_rejected() {
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
        rejected(
            |folder| {
                edit_config(folder, |config| {
                    config.as_object_mut().unwrap().extend(change);
                });
            },
            words,
        );
    }
    rejected(|folder| fs::write(folder.join("config.json"), "{").unwrap(), &["config.json"]);
    rejected(|folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap(), &["tokenizer.json"]);
}

#[test]
fn other_dtypes_load_as_f32() {
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

/// Splits the tensors into two files with an index.
fn shard(folder: &Path) {
    let path = folder.join("model.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    fs::remove_file(path).unwrap();
    let mut shards = [HashMap::new(), HashMap::new()];
    let mut weight_map = serde_json::Map::new();
    for (name, tensor) in tensors {
        let shard = name.len() % 2;
        weight_map.insert(name.clone(), json!(shard_name(shard)));
        shards[shard].insert(name, tensor);
    }
    for (number, tensors) in shards.iter().enumerate() {
        candle_core::safetensors::save(tensors, folder.join(shard_name(number))).unwrap();
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": weight_map});
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

const INDEX: &str = "model.safetensors.index.json";

fn shard_name(number: usize) -> String {
    format!("model-{:05}-of-00002.safetensors", number + 1)
}

#[test]
fn shards_load_as_the_same_model() {
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
fn errors_name_the_invalid_shard() {
    let sharded = |change: &dyn Fn(&Path), words: &[&str]| {
        rejected(
            |folder| {
                shard(folder);
                change(folder);
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
fn invalid_safetensors_headers_are_rejected() {
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
        rejected(write, &[&["model.safetensors"], words].concat());
    }
}

#[test]
fn non_finite_and_integer_weights_are_rejected() {
    let name = "classifier.bias";
    let odd = || Tensor::new(&[0_f32, f32::NAN, 0.], &Device::Cpu).unwrap();
    let whole = || Tensor::zeros(3, DType::I64, &Device::Cpu).unwrap();
    rejected(|f| with_tensors(f, |t| drop(t.insert(name.to_owned(), odd()))), &[name, "finite"]);
    rejected(|f| with_tensors(f, |t| drop(t.insert(name.to_owned(), whole()))), &[name, "I64"]);
}

/// Files that should be small are not read completely if they are large.
#[test]
fn large_configuration_files_are_rejected() {
    let name = "tokenizer_config.json";
    let grow = |folder: &Path| {
        let file = fs::OpenOptions::new().write(true).open(folder.join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    rejected(grow, &[name, "larger than"]);
}

#[test]
fn the_revision_depends_only_on_the_content() {
    let folder = copy();
    let one = load(folder.path()).unwrap().revision.clone();
    assert_eq!(one, load(copy().path()).unwrap().revision);
    edit_config(folder.path(), |config| config["note"] = json!("changed"));
    assert_ne!(one, load(folder.path()).unwrap().revision);
}
