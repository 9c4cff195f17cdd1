//! sentence-transformers modules, LoRA adapters and exported classifiers.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use explaind::heads::{Labels, Task};
use explaind::model::Model;
use explaind::rows::Row;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{copy, load, rejected};
use crate::golden::sentences::with_files;
use crate::support::{golden_folder, input};

fn write(folder: &Path, name: &str, content: &Value) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

fn tensors(folder: &Path, name: &str, tensors: &[(&str, Tensor)]) {
    let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
    candle_core::safetensors::save(&tensors, folder.join(name)).unwrap();
}

fn entry(class: &str, path: &str) -> Value {
    json!({"type": format!("sentence_transformers.models.{class}"), "path": path})
}

/// Creates a checkpoint with these modules after Transformer and Pooling.
fn chain(modules: &[(&str, &str, Value)]) -> TempDir {
    let mut list = vec![entry("Transformer", ""), entry("Pooling", "1_Pooling")];
    list.extend(modules.iter().map(|(class, path, _)| entry(class, path)));
    let files = json!({"modules.json": list, "1_Pooling/config.json": {"pooling_mode": "mean"}});
    let folder = with_files("bert-embed", &files);
    for (_, path, config) in modules {
        write(folder.path(), &format!("{path}/config.json"), config);
    }
    folder
}

fn error(folder: &TempDir) -> String {
    load(folder.path()).err().expect("loading must fail")
}

fn output(model: &Model, text: &str) -> Vec<f64> {
    let encoding = model.encode(&input(text, None), Truncate::No).unwrap();
    model.run(&[Row::forward(encoding.ids, [].into())]).unwrap().remove(0).logits
}

#[test]
fn errors_name_the_unsupported_module() {
    let bare = |config: Value| chain(&[("Dense", "2_Dense", config)]);
    let weight = |folder: &Path, name: &str| {
        let tensor = Tensor::zeros((6, 20), DType::F32, &Device::Cpu).unwrap();
        tensors(folder, "model.safetensors", &[(name, tensor)]);
    };
    let dense = |config: Value| {
        let folder = bare(config);
        weight(&folder.path().join("2_Dense"), "linear.weight");
        folder
    };
    let norm = chain(&[("LayerNorm", "2_LayerNorm", json!({"dimension": 7}))]);
    weight(&norm.path().join("2_LayerNorm"), "norm.weight");
    for (folder, words) in [
        (chain(&[("LSTM", "2_LSTM", json!({}))]), &["modules.json", "models.LSTM"][..]),
        (chain(&[("Pooling", "2_Pooling", json!({}))]), &["modules.json", "2_Pooling"]),
        (
            dense(json!({"in_features": 19, "out_features": 6})),
            &["2_Dense/config.json", "19", "20"],
        ),
        (dense(json!({"in_features": 20})), &["2_Dense/config.json", "out_features"]),
        (bare(json!({"in_features": 20, "out_features": 6})), &["2_Dense/model.safetensors"]),
        (dense(json!({"in_features": 20, "out_features": 7})), &["linear.weight", "[7, 20]"]),
        (dense(json!({"in_features": 20, "out_features": 6})), &["linear.bias"]),
        (
            dense(json!({"in_features": 20, "out_features": 6,
                         "activation_function": "torch.nn.modules.activation.Hardtanh"})),
            &["2_Dense/config.json", "Hardtanh"],
        ),
        (
            dense(json!({"in_features": 20, "out_features": 6,
                         "module_input_name": "token_embeddings"})),
            &["2_Dense/config.json", "token_embeddings"],
        ),
        (norm, &["2_LayerNorm/config.json", "dimension", "7"]),
    ] {
        let error = error(&folder);
        words.iter().for_each(|word| assert!(error.contains(word), "{word:?} in {error:?}"));
    }
}

#[test]
fn errors_name_the_invalid_file() {
    let with = |name: &str, content: Value| {
        let folder = chain(&[]);
        write(folder.path(), name, &content);
        error(&folder)
    };
    let model = "config_sentence_transformers.json";
    assert!(with(model, json!({"model_type": "SparseEncoder"})).contains("SparseEncoder"));
    let prompt = json!({"prompts": {}, "default_prompt_name": "passage"});
    assert!(with(model, prompt).contains("passage"));
    let long = json!({"prompts": {"a": "good ".repeat(60)}, "default_prompt_name": "a"});
    assert!(with(model, long).contains("prompt takes"));
    let huge = json!({"prompts": {"a": "good ".repeat(1 << 20)}, "default_prompt_name": "a"});
    assert!(with(model, huge).contains("characters"));
    assert!(with("sentence_bert_config.json", json!({"max_seq_length": 2})).contains("2 tokens"));
    assert!(with("modules.json", json!([])).contains("no module"));
    let scores = json!({"model_type": "CrossEncoder"});
    assert!(with(model, scores).contains("scores"), "a cross-encoder must end in scores");
    let folder = chain(&[]);
    fs::remove_file(folder.path().join("1_Pooling/config.json")).unwrap();
    assert!(error(&folder).contains("1_Pooling/config.json"));
}

#[test]
fn errors_name_the_unsupported_activation() {
    let with_activation = |class: &str| {
        let model = json!({"model_type": "CrossEncoder", "activation_fn": class});
        let modules = json!([entry("Transformer", "")]);
        let files = json!({"modules.json": modules, "config_sentence_transformers.json": model});
        with_files("roberta-cross-encoder", &files)
    };
    let tanh = error(&with_activation("torch.nn.modules.activation.Tanh"));
    assert!(tanh.contains("config_sentence_transformers.json") && tanh.contains("Tanh"), "{tanh}");
    let custom = load(with_activation("mine.Square").path()).unwrap();
    assert_eq!(custom.activation().name(), "sigmoid", "config.json's, as in the library");
}

#[test]
fn the_transformer_module_may_be_in_a_subfolder() {
    let plain = with_files("bert-embed", &json!({}));
    let expected = output(&load(plain.path()).unwrap(), "a good film");
    let modules = json!([entry("Transformer", "0_Transformer"), entry("Pooling", "1_Pooling")]);
    let folder = with_files("bert-embed", &json!({"modules.json": modules}));
    fs::create_dir(folder.path().join("0_Transformer")).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::rename(folder.path().join(name), folder.path().join("0_Transformer").join(name))
            .unwrap();
    }
    write(folder.path(), "config.json", &json!({"__version__": "0.3.8"}));
    assert_eq!(output(&load(folder.path()).unwrap(), "a good film"), expected);
}

#[test]
fn module_weights_are_part_of_the_revision() {
    let dense = || chain(&[("Dense", "2_Dense", json!({"in_features": 20, "out_features": 2}))]);
    let revision = |number: f32| {
        let folder = dense();
        let weight = Tensor::full(number, (2, 20), &Device::Cpu).unwrap();
        let bias = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
        let named = [("linear.weight", weight), ("linear.bias", bias)];
        tensors(&folder.path().join("2_Dense"), "model.safetensors", &named);
        let model = load(folder.path()).unwrap();
        assert_eq!((model.outputs(), model.drift()), (2, None));
        model.revision.clone()
    };
    assert_eq!(revision(0.1), revision(0.1));
    assert_ne!(revision(0.1), revision(0.2));
}

/// Creates a folder with only an adapter's configuration and tokenizer.
fn adapter(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(golden_folder("bert-tiny").join(name), folder.path().join(name)).unwrap();
    }
    let mut all = json!({"peft_type": "LORA", "task_type": "SEQ_CLS", "lora_alpha": 8});
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    write(folder.path(), "adapter_config.json", &all);
    folder
}

const QUERY: &str = "base_model.model.bert.encoder.layer.0.attention.self.query";

fn low_rank(folder: &TempDir, module: &str, down: (usize, usize), up: (usize, usize)) {
    let matrix = |shape| Tensor::full(0.5_f32, shape, &Device::Cpu).unwrap();
    let names = [format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight")];
    let named = [(names[0].as_str(), matrix(down)), (names[1].as_str(), matrix(up))];
    tensors(folder.path(), "adapter_model.safetensors", &named);
}

#[test]
fn a_missing_base_model_error_says_what_to_do() {
    for base in ["example", "/nowhere/at/all", "../nothing", ""] {
        let folder = adapter(&json!({"base_model_name_or_path": base}));
        low_rank(&folder, QUERY, (4, 24), (24, 4));
        if base == "example" {
            // A model id of the hub, which tests do not access.
            continue;
        }
        let error = error(&folder);
        for word in ["adapter_config.json", "LoRA adapter", "merge_and_unload"] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }
}

#[test]
fn incompatible_adapters_are_rejected() {
    let base = golden_folder("bert-tiny");
    let fits = || adapter(&json!({"base_model_name_or_path": base}));
    let shaped = |module: &str, down, up| {
        let folder = fits();
        low_rank(&folder, module, down, up);
        load(folder.path()).err()
    };
    assert_eq!(shaped(QUERY, (4, 24), (24, 4)), None);
    for (module, down, up, word) in [
        (QUERY, (4, 23), (24, 4), "[4, 23]"),
        (QUERY, (4, 24), (24, 3), "[24, 3]"),
        (QUERY, (0, 24), (24, 0), "[0, 24]"),
        ("base_model.model.bert.nothing", (4, 24), (24, 4), "bert.nothing"),
        ("base_model.model.bert.lora_x", (4, 24), (24, 4), "lora_x"),
    ] {
        let error = shaped(module, down, up).expect("loading must fail");
        assert!(error.contains("adapter_model.safetensors") && error.contains(word), "{error}");
    }
    assert!(error(&fits()).contains("adapter_model.safetensors"), "there are no weights");
    let task = adapter(&json!({"base_model_name_or_path": base, "task_type": "CAUSAL_LM"}));
    low_rank(&task, QUERY, (4, 24), (24, 4));
    assert!(error(&task).contains("CAUSAL_LM"));
}

/// Compares with logistic regression on the embedding, by scikit-learn's formula.
#[test]
fn an_exported_classifier_is_served() {
    let embedding = output(&load(with_files("bert-embed", &json!({})).path()).unwrap(), "great");
    let weight = |row: usize, i: usize| ((row * 7 + i * 3) % 5) as f64 / 5. - 0.4;
    let served = |rows: usize, config: Value| {
        let folder = with_files("bert-embed", &json!({"config_setfit.json": config}));
        fs::write(folder.path().join("model_head.pkl"), "not read").unwrap();
        let coef: Vec<f64> =
            (0..rows).flat_map(|row| (0..20).map(move |i| weight(row, i))).collect();
        let coef = Tensor::from_vec(coef, (rows, 20), &Device::Cpu).unwrap();
        let intercept: Vec<f64> = (0..rows).map(|row| row as f64 - 0.5).collect();
        let intercept = Tensor::from_vec(intercept, rows, &Device::Cpu).unwrap();
        let named = [("coef", coef), ("intercept", intercept)];
        tensors(folder.path(), "model_head.safetensors", &named);
        load(folder.path())
    };
    let z = |row: usize, embedding: &[f64]| {
        let sum: f64 = embedding.iter().enumerate().map(|(i, x)| x * weight(row, i)).sum();
        sum + row as f64 - 0.5
    };
    let several = served(3, json!({"labels": ["bad", "fair", "good"]})).unwrap();
    assert_eq!(several.task, Task::TextClassification);
    let expected: Vec<f64> = (0..3).map(|row| z(row, &embedding)).collect();
    near(&output(&several, "great"), &expected);
    let two = served(1, json!({"labels": ["bad", "good"], "normalize_embeddings": true})).unwrap();
    let names = ["bad", "good"].map(str::to_owned);
    assert_eq!(*two.labels(), Labels::Named(names.to_vec()));
    let size = embedding.iter().map(|x| x * x).sum::<f64>().sqrt();
    let unit: Vec<f64> = embedding.iter().map(|x| x / size).collect();
    near(&output(&two, "great"), &[0., z(0, &unit)]);
    let error = served(1, json!({"labels": ["a"]})).err().expect("loading must fail");
    assert!(error.contains("config_setfit.json") && error.contains("class 1"), "{error}");
}

fn near(ours: &[f64], expected: &[f64]) {
    let gap = ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    assert!(ours.len() == expected.len() && gap < 1e-5, "{ours:?} and {expected:?}");
}

#[test]
fn a_pickled_classifier_error_says_how_to_export_it() {
    let folder = with_files("bert-embed", &json!({}));
    fs::write(folder.path().join("model_head.pkl"), "").unwrap();
    let error = error(&folder);
    for word in ["model_head.pkl", "model_head.safetensors", "coef", "intercept"] {
        assert!(error.contains(word), "{word} in {error}");
    }
}

#[test]
fn duplicate_labels_are_rejected() {
    let double = json!({"id2label": {"0": "a", "1": "b", "2": "a"}});
    let change = double.as_object().unwrap().clone();
    let edit = |folder: &Path| {
        super::edit_config(folder, |config| config.as_object_mut().unwrap().extend(change));
    };
    rejected(edit, &["config.json", "\"a\"", "0 and 2"]);
}

#[test]
fn tanh_gelu_aliases_are_the_same() {
    let logits = |name: &str| {
        let folder = copy();
        super::edit_config(folder.path(), |config| config["hidden_act"] = json!(name));
        load(folder.path()).map(|model| super::logits(&model))
    };
    let expected = logits("gelu_new").unwrap();
    for name in ["gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate", "gelu_fast"] {
        assert_eq!(logits(name).unwrap(), expected, "{name}");
    }
    assert_ne!(logits("gelu").unwrap(), expected);
    assert_ne!(logits("quick_gelu").unwrap(), expected);
    for name in ["gelu_10", "laplace", "relu2"] {
        assert!(logits(name).unwrap_err().contains(name));
    }
}
