//! config.json files of popular Hub checkpoints. Only their sizes are replaced by those of a tiny
//! checkpoint, which provides the tensors.

mod defaults;
mod loads;
mod refused;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use explaind::checkpoint::Source;
use explaind::explanation::{
    Explained, Explanation, Predicted, Prediction, Question, ScalarName, SpanBoundary,
};
use explaind::model::{Model, Placement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{explainer, golden_folder, input, load, method, question};

/// The fields that are replaced.
const SIZES: [&str; 13] = [
    "attention_head_size",
    "dim",
    "embedding_size",
    "hidden_dim",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "n_heads",
    "n_layers",
    "num_attention_heads",
    "num_hidden_layers",
    "pooler_hidden_size",
    "vocab_size",
];

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file")).expect("JSON")
}

fn hub_config(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/hub-configs");
    read(&folder.join(format!("{name}.json")))
}

fn tiny_config(folder: &str) -> Value {
    read(&golden_folder(folder).join("config.json"))
}

/// Returns the hub's config.json with the sizes of the tiny one.
fn shrunk(name: &str, tiny: &Value) -> Value {
    let mut config = hub_config(name);
    for size in SIZES {
        if !config[size].is_null() && !tiny[size].is_null() {
            config[size] = tiny[size].clone();
        }
    }
    if let Some(types) = config["layer_types"].as_array_mut() {
        types.truncate(tiny["num_hidden_layers"].as_u64().unwrap() as usize);
    }
    config
}

/// Copies the checkpoint `tiny` with another config.json.
fn folder_with(tiny: &str, config: &Value) -> TempDir {
    let (folder, tiny) = (tempfile::tempdir().unwrap(), golden_folder(tiny));
    let files = ["model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    for name in files.into_iter().chain(["1_Pooling/config.json"]) {
        if tiny.join(name).is_file() {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::copy(tiny.join(name), folder.path().join(name)).unwrap();
        }
    }
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn edit_tensors(folder: &Path, edit: impl FnOnce(&mut HashMap<String, Tensor>)) {
    let path = folder.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    edit(&mut tensors);
    candle_core::safetensors::save(&tensors, path).unwrap();
}

fn logit(predictions: &[Prediction], what: &ScalarName) -> f64 {
    let ScalarName::Class(class) = what else { panic!("no class") };
    predictions.iter().find(|p| p.index == class.index).expect("the class is predicted").logit
}

/// Returns the predicted number that `explanation` explains.
fn served(predicted: &Predicted, explanation: &Explanation) -> f64 {
    let (token, what) = (explanation.target.token, &explanation.target.what);
    match predicted {
        Predicted::Labels(predictions) => logit(predictions, what),
        Predicted::Tokens { predictions, .. } => logit(&predictions[token.unwrap()], what),
        Predicted::Masks(masks) => {
            let mask = masks.iter().find(|mask| Some(mask.token) == token).expect("the mask");
            logit(&mask.predictions, what)
        }
        Predicted::Answer { start, end, .. } => {
            let list =
                if *what == ScalarName::SpanBoundary(SpanBoundary::Start) { start } else { end };
            list.iter().find(|score| Some(score.token) == token).expect("the token").logit
        }
        Predicted::Similarity(similarity) => similarity.pair.as_ref().expect("two texts").cosine,
    }
}

fn check_explained(name: &str, explained: &Explained) {
    assert!(!explained.explanations.is_empty(), "{name}");
    for explanation in &explained.explanations {
        let scores = &explanation.scores[0].1;
        assert!(scores.iter().all(|score| score.is_finite()), "{name}: {scores:?}");
        assert!(scores.iter().any(|score| score.abs() > 1e-6), "{name}: {scores:?}");
        let served = served(&explained.predicted, explanation);
        assert!((explanation.output_value - served).abs() < 1e-6, "{name}");
    }
}

/// Explains the first text of the tiny checkpoint's golden values.
async fn explain(tiny: &str, folder: &Path) -> (Arc<Model>, Explained) {
    let model = load(Source::Directory(folder.to_owned()), &Placement::default());
    let golden = read(&golden_folder(tiny).join("golden.json"));
    let case = &golden["cases"][0];
    let text = input(case["text"].as_str().unwrap(), case["text_pair"].as_str());
    let question = Question {
        methods: vec![method("integrated_gradients", &json!({"n_steps": 8}))],
        ..question(&model, vec![text])
    };
    let mut answer = explainer(&model).explain(question).await.expect("an answer");
    let explained = answer.results.pop().expect("one result").1.expect("no error");
    (model, explained)
}
