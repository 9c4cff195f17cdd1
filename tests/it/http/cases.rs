//! Regression cases from bug reports of other libraries: tests/cases.

use std::fs;
use std::path::{Path, PathBuf};

use explaind::config::{Config, ModelEntry};
use serde_json::{Value, json};

use super::numbers;
use crate::support::service::{start_with, untimed};
use crate::support::{golden_folder, relative_error};

fn case(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the results of a request and the expected values. `kind` is the suffix of the file
/// names, and `checkpoint` a folder of the case or a golden folder.
async fn results(name: &str, kind: &str, checkpoint: &str) -> (Value, Value) {
    let folder = case(name);
    let own = folder.join(checkpoint);
    let source = if own.is_dir() { own } else { golden_folder(checkpoint) };
    let mut request = read(&folder.join(format!("request{kind}.json")));
    let source = source.display().to_string();
    let id = request["model"].as_str().unwrap().to_owned();
    let model = ModelEntry::new(id, source);
    let service = start_with(&Config { models: vec![model], ..untimed() }).await;
    if request.get("methods").is_none() {
        request["methods"] = json!([]);
        request["attention"] = json!(false);
    }
    let answer = service.explain(request).await;
    let expected = ["", kind].map(|kind| folder.join(format!("expected{kind}.json")));
    let expected = expected.iter().rev().find(|path| path.is_file()).unwrap();
    (answer["results"].clone(), read(expected))
}

fn near(ours: &Value, theirs: &Value, case: &str) {
    let flat = |value: &Value| match value {
        Value::Array(_) => numbers(value),
        number => vec![number.as_f64().expect("a number")],
    };
    let error = relative_error(&flat(ours), &flat(theirs));
    assert!(error < 1e-4, "{case}: {ours} is not {theirs}");
}

#[tokio::test]
async fn scores_of_sentence_transformers_modules() {
    for (name, kind, checkpoint) in [
        ("12-dense-module", "", "checkpoint"),
        ("44-pooling-mode-string", "-mean", "checkpoint-mean"),
        ("44-pooling-mode-string", "-saved", "checkpoint-saved"),
    ] {
        let (results, expected) = results(name, kind, checkpoint).await;
        let similarity = &results[0]["similarity"];
        near(&similarity["cosine"], &expected["cosine"], name);
        if let Some(dimensions) = expected["dimensions"].as_u64() {
            assert_eq!(numbers(&similarity["embedding"]).len(), dimensions as usize);
        }
    }
    let (results, expected) = results("45-cross-encoder-saved", "", "checkpoint").await;
    near(&results[0]["predictions"][0]["probability"], &expected["score"], "45");
}

/// Compares ids, logits and attributions with transformers. Word scores sum to token scores.
#[tokio::test]
async fn tokenizers_and_their_words() {
    for (name, kind, checkpoint) in [
        ("31-lower-case-config", "-31-lower-case-config", "checkpoint"),
        ("38-prefix-space", "", "checkpoint"),
        ("48-space-tokens", "", "deberta-v3-sequence"),
        ("48-space-tokens", "-roberta", "roberta-sequence"),
    ] {
        let (results, expected) = results(name, kind, checkpoint).await;
        for (ours, theirs) in
            results.as_array().unwrap().iter().zip(expected["results"].as_array().unwrap())
        {
            let field = |list: &str, field: &str| -> Value {
                ours[list].as_array().unwrap().iter().map(|one| one[field].clone()).collect()
            };
            assert_eq!(field("tokens", "id"), theirs["input_ids"], "{name}");
            let mut ranked = ours["predictions"].as_array().unwrap().clone();
            ranked.sort_by_key(|one| one["index"].as_u64());
            let logits: Value = ranked.iter().map(|one| one["logit"].clone()).collect();
            near(&logits, &theirs["logits"], name);
            let scores = &ours["explanations"][0]["attributions"];
            if theirs["ig_pad_50"].is_array() {
                near(&scores["token"], &theirs["ig_pad_50"], name);
            }
            let sum = |unit: &str| numbers(&scores[unit]).iter().sum::<f64>();
            assert!((sum("token") - sum("word")).abs() < 1e-4, "{name}: words lack scores");
        }
    }
}

#[tokio::test]
async fn entities_of_every_tagging_scheme() {
    for (kind, checkpoint) in [("", "checkpoint"), ("-bios", "checkpoint-bios")] {
        let (results, expected) = results("23-bioes", kind, checkpoint).await;
        let (ours, theirs) = (&results[0]["entities"], &expected["results"][0]);
        assert_eq!(ours.as_array().unwrap().len(), theirs.as_array().unwrap().len());
        for (ours, theirs) in ours.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
            for field in ["label", "start", "end"] {
                assert_eq!(ours[field], theirs[field], "{ours}");
            }
            near(&ours["probability"], &theirs["probability"], "23");
        }
    }
}

#[tokio::test]
async fn offsets_cover_all_code_points_of_a_normalized_token() {
    let (results, expected) = results("36-nfkc-offsets", "", "checkpoint").await;
    let offsets = |input: usize| -> Vec<Value> {
        let tokens = results[input]["tokens"].as_array().unwrap();
        tokens.iter().map(|token| json!([token["start"], token["end"]])).collect()
    };
    let third = &expected["input_2"];
    assert!(offsets(2).contains(&third["offsets"]) && offsets(2).contains(&third["next_offsets"]));
    assert!(offsets(3).contains(&expected["input_3"]["unknown_piece"]));
    for (kind, folder) in
        [("-nfc-deberta", "deberta-v3-tokens"), ("-nfc-modernbert", "modernbert-tokens")]
    {
        // "good café end", é of two code points.
        let (results, _) = self::results("36-nfkc-offsets", kind, folder).await;
        let entities = results[0]["entities"].as_array().unwrap();
        assert!(entities.iter().any(|one| (&one["start"], &one["end"]) == (&json!(8), &json!(10))));
    }
}

#[tokio::test]
async fn null_answers_and_pretokenized_inputs() {
    let (results, expected) = results("21-qa-null-answer", "", "bert-qa").await;
    let answer = &results[0]["answer"];
    assert_eq!(answer["text"], expected["expected_answer"]);
    near(&answer["null_score"], &expected["null_score"], "21");
    let (results, _) = self::results("32-pretokenized", "", "bert-tokens").await;
    let words = results[0]["words"].as_array().unwrap();
    let words: Vec<&Value> = words.iter().map(|word| &word["text"]).collect();
    assert_eq!(words, ["we", "saw", "new-york"]);
}

#[tokio::test]
async fn a_lora_adapter_without_its_base_model_is_rejected() {
    use explaind::checkpoint::Source;
    use explaind::model::{Model, Placement};
    let source = Source::Directory(case("29-lora-adapter").join("checkpoint"));
    // Blocking: the base model is looked up, in the cache only, as tests do not access the network.
    let load = move || Model::load("adapter", &source, &Placement::default());
    let error = tokio::task::spawn_blocking(load).await.unwrap().err().unwrap().to_string();
    assert!(error.contains("LoRA adapter"), "{error}");
}
