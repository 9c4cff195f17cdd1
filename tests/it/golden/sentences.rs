//! Parity with sentence-transformers on its own configuration files. The values were computed in
//! float64 by tests/golden/make_sentences.py.

use std::fs;
use std::path::Path;

use explaind::checkpoint::Source;
use explaind::explanation::{Predicted, Question};
use explaind::model::Placement;
use explaind::text::tokenizer::Truncate;
use serde_json::Value;
use tempfile::TempDir;

use super::{Errors, explain, limit, list, numbers, placements};
use crate::support::{explainer, golden_folder, input, load, question};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => fs::copy(&path, to).map(drop).unwrap(),
        }
    }
}

/// Copies a golden folder and adds or replaces files.
pub fn with_files(folder: &str, files: &Value) -> TempDir {
    let model = tempfile::tempdir().unwrap();
    copy(&golden_folder(folder), model.path());
    for (name, content) in files.as_object().unwrap() {
        let path = model.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }
    model
}

fn note(predicted: &Predicted, case: &Value, errors: &mut Errors) {
    match predicted {
        Predicted::Similarity(similarity) => {
            let pair = similarity.pair.as_ref().expect("two texts");
            errors.note("embedding", &similarity.embedding, &case["embedding"]);
            errors.note("embedding", &pair.embedding, &case["embedding_pair"]);
            errors.worsen("cosine", (pair.cosine - numbers(&case["cosine"])[0]).abs());
            if let Some(matrix) = &pair.matrix {
                let sum: f64 = matrix.concat().iter().sum();
                errors.worsen("matrix", (sum - pair.cosine).abs());
            }
        }
        Predicted::Labels(predictions) => {
            let mut scores = predictions.clone();
            scores.sort_by_key(|prediction| prediction.index);
            let scores: Vec<f64> = scores.iter().map(|one| one.probability).collect();
            errors.note("scores", &scores, &case["scores"]);
        }
        other => panic!("{other:?}"),
    }
}

async fn errors_of(variant: &Value, placement: &Placement) -> Errors {
    let folder = with_files(variant["folder"].as_str().unwrap(), &variant["files"]);
    let model = load(Source::Directory(folder.path().to_owned()), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&variant["cases"]) {
        let text = case["text"].as_str().unwrap();
        let inputs = vec![input(text, case["text_pair"].as_str())];
        let question =
            Question { truncate: Truncate::Yes, attention: None, ..question(&model, inputs) };
        let explained = explain(&explainer, question).await;
        // Offsets refer to the input texts, without the prompt.
        let lengths = [text, case["text_pair"].as_str().unwrap()].map(|text| text.chars().count());
        for token in &explained.tokens {
            let inside = token.start <= token.end && token.end <= lengths[token.segment];
            assert!(inside, "{}: {token:?}", variant["name"]);
        }
        note(&explained.predicted, case, &mut errors);
    }
    errors
}

#[tokio::test]
async fn sentence_transformers_files_are_applied() {
    let golden = fs::read(golden_folder("sentences.json")).expect("sentences.json");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let mut compared = 0;
    for variant in list(&golden["variants"]) {
        for placement in placements(false) {
            let limit = limit(&placement);
            for (quantity, error) in errors_of(variant, &placement).await.0 {
                let name = &variant["name"];
                assert!(error <= limit, "{name} on {placement}: {quantity} is {error:e} off");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "only {compared} values were compared");
}
