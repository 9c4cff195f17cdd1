//! Task, labels and sizes of each loaded model.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use explaind::heads::Labels;
use explaind::model::Model;
use serde_json::Value;

use super::{check_explained, edit_tensors, explain, folder_with, shrunk, tiny_config};

/// A file of tests/data/hub-configs, the tiny checkpoint with the tensors, and the expected model.
struct Case {
    config: &'static str,
    tiny: &'static str,
    task: &'static str,
    activation: &'static str,
    outputs: usize,
}

const fn case(
    config: &'static str,
    tiny: &'static str,
    task: &'static str,
    activation: &'static str,
    outputs: usize,
) -> Case {
    Case { config, tiny, task, activation, outputs }
}

const TEXT: &str = "text-classification";
const TOKENS: &str = "token-classification";
const ANSWER: &str = "question-answering";
const MASK: &str = "fill-mask";
const EMBED: &str = "sentence-similarity";

const CASES: &[Case] = &[
    case("albert-sst-2", "albert-sequence", TEXT, "softmax", 2),
    case("all-minilm", "bert-embed", EMBED, "none", 20),
    case("all-mpnet", "mpnet-embed", EMBED, "none", 20),
    case("bert-base-chinese", "bert-mlm", MASK, "softmax", 197),
    case("bert-multilingual-stars", "bert-tiny", TEXT, "softmax", 5),
    case("bert-ner", "bert-tokens", TOKENS, "softmax", 9),
    case("bert-string-ids", "bert-tiny", TEXT, "softmax", 2),
    case("bert-transformers-5", "bert-tiny", TEXT, "softmax", 2),
    case("camembert-ner", "camembert-tokens", TOKENS, "softmax", 5),
    case("deberta-v2-xlarge-mnli", "deberta-conv-sequence", TEXT, "softmax", 3),
    case("deberta-v3-mnli-fever-anli", "deberta-v3-nli", TEXT, "softmax", 3),
    case("distilbert-distilled-squad", "distilbert-qa", ANSWER, "softmax_over_tokens", 2),
    case("distilbert-sst-2", "distilbert-sequence", TEXT, "softmax", 2),
    case("electra-small-sst2", "electra-sequence", TEXT, "softmax", 2),
    case("finbert", "bert-tiny", TEXT, "softmax", 3),
    case("modernbert-base", "modernbert-mlm", MASK, "softmax", 319),
    case("modernbert-base-nli", "modernbert-sequence", TEXT, "softmax", 3),
    case("modernbert-transformers-5", "modernbert-sequence", TEXT, "softmax", 2),
    case("ms-marco-minilm", "bert-nli", TEXT, "none", 1),
    case("ms-marco-minilm-newer", "bert-nli", TEXT, "none", 1),
    case("roberta-dianping-chinese", "bert-tiny", TEXT, "softmax", 2),
    case("roberta-go-emotions", "roberta-sequence", TEXT, "sigmoid", 28),
    case("roberta-squad2", "roberta-qa", ANSWER, "softmax_over_tokens", 2),
    case("toxic-bert", "bert-tiny", TEXT, "sigmoid", 6),
    case("twitter-roberta-sentiment", "roberta-sequence", TEXT, "softmax", 3),
    case("twitter-roberta-sentiment-latest", "roberta-sequence", TEXT, "softmax", 3),
    case("xlm-roberta-language-detection", "xlm-roberta-sequence", TEXT, "softmax", 20),
];

/// Returns a deterministic tensor of nonzero values.
fn tensor(rows: usize, width: usize) -> Tensor {
    let values = (0..rows * width).map(|i| ((i * 7919 % 997) as f32 / 997. - 0.5) * 0.4);
    Tensor::from_iter(values, &Device::Cpu).unwrap().reshape((rows, width)).unwrap()
}

/// Resizes the tensors whose number of rows is not one of `SIZES`: labels and buckets.
fn fit(tensors: &mut HashMap<String, Tensor>, config: &Value, outputs: usize) {
    for name in ["classifier", "classifier.out_proj"] {
        let weight = format!("{name}.weight");
        if let Some(old) = tensors.get(&weight) {
            let new = tensor(outputs, old.dim(1).unwrap());
            tensors
                .insert(format!("{name}.bias"), new.narrow(1, 0, 1).unwrap().squeeze(1).unwrap());
            tensors.insert(weight, new);
        }
    }
    let distances = "deberta.encoder.rel_embeddings.weight";
    if let (Some(old), Some(buckets)) =
        (tensors.get(distances), config["position_buckets"].as_u64())
    {
        tensors.insert(distances.to_owned(), tensor(2 * buckets as usize, old.dim(1).unwrap()));
    }
}

/// Returns the labels in the order of their ids, read independently of the loader.
fn expected_labels(config: &Value, outputs: usize) -> Vec<String> {
    let name = |i: usize| config["id2label"][i.to_string()].as_str().map(str::to_owned);
    (0..outputs).map(|i| name(i).unwrap_or_else(|| format!("LABEL_{i}"))).collect()
}

fn check_loaded(case: &Case, config: &Value, model: &Model) {
    let name = case.config;
    assert_eq!(model.architecture, config["model_type"], "{name}");
    assert_eq!(model.task.name(), case.task, "{name}");
    assert_eq!(model.activation().name(), case.activation, "{name}");
    assert_eq!(model.outputs(), case.outputs, "{name}");
    if [TEXT, TOKENS].contains(&case.task) {
        let labels = expected_labels(config, case.outputs);
        assert_eq!(*model.labels(), Labels::Named(labels), "{name}");
    }
    let either = |one: &str, other: &str| config[one].as_u64().or(config[other].as_u64());
    assert_eq!(either("num_hidden_layers", "n_layers"), Some(model.layers() as u64), "{name}");
    assert_eq!(either("num_attention_heads", "n_heads"), Some(model.heads() as u64), "{name}");
}

#[tokio::test]
async fn every_config_loads_and_is_explained() {
    for case in CASES {
        println!("{}", case.config);
        let config = shrunk(case.config, &tiny_config(case.tiny));
        let folder = folder_with(case.tiny, &config);
        edit_tensors(folder.path(), |tensors| fit(tensors, &config, case.outputs));
        let (model, explained) = explain(case.tiny, folder.path()).await;
        check_loaded(case, &config, &model);
        check_explained(case.config, &explained);
    }
}
