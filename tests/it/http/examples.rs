//! POST /examples and the /corpora routes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use explaind::app;
use explaind::config::{Config, CorpusEntry};
use explaind::rows::{PooledState, Row, StatePooling, Want, dot, norm};
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start, start_with, start_with_shared_corpora, untimed};
use crate::support::{Held, input, wait_until_async};

async fn answered(service: &Running, body: &Value) -> Value {
    let reply = service.post("/examples", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// Reads a built-in corpus from the repository.
fn samples(model: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
    let lines = fs::read_to_string(path.join("corpus.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the mean-pooled states of the last layer for each text.
fn states(service: &Running, model: &str, texts: &[&str]) -> Vec<Vec<f64>> {
    let model = service.service.explainer.pool.get(Some(model)).unwrap();
    let state = PooledState { layer: model.layers(), pooling: StatePooling::Mean };
    let row = |text: &&str| {
        let ids = model.encode(&input(text, None), Truncate::Yes).unwrap().ids;
        Row { want: Want::Pooled(state), ..Row::forward(ids, [].into()) }
    };
    let rows: Vec<Row> = texts.iter().map(row).collect();
    let outputs = rows.chunks(50).flat_map(|rows| model.run(rows).unwrap());
    outputs.map(|output| output.states).collect()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// Compares with a brute-force search in f64, without codes.
#[tokio::test]
async fn neighbours_and_dissent_match_a_brute_force_search() {
    let service = start_with_shared_corpora();
    for (model, texts) in [
        ("sentiment-en", [GREAT, "The food was not bad at all.", "Colourless ideas sleep."]),
        ("sentiment-zh", ["这部电影真的很棒", "质量太差了", "天气"]),
    ] {
        let corpus = samples(model);
        let all: Vec<&str> = corpus.iter().map(|sample| sample["text"].as_str().unwrap()).collect();
        let body = json!({"model": model, "inputs": texts, "k": 7});
        let answer = answered(&service, &body).await;
        let known = states(&service, model, &all);
        let queries = states(&service, model, &texts);
        for (state, result) in queries.iter().zip(answer["results"].as_array().unwrap()) {
            let mut order: Vec<(f64, usize)> = known
                .iter()
                .enumerate()
                .map(|(row, other)| (dot(state, other) / (norm(state) * norm(other)), row))
                .collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let neighbours = result["neighbours"].as_array().unwrap();
            assert_eq!(neighbours.len(), 7);
            for (neighbour, (similarity, row)) in neighbours.iter().zip(&order) {
                let theirs = neighbour["similarity"].as_f64().unwrap();
                assert!((theirs - similarity).abs() < 1e-5, "{neighbour}");
                assert_eq!(neighbour["text"], corpus[*row]["text"]);
                assert_eq!(neighbour["label"], corpus[*row]["label"]);
            }
            let predicted = &result["prediction"]["label"];
            let agreeing = neighbours.iter().filter(|one| one["label"] == *predicted).count();
            let agreement = result["agreement"].as_f64().unwrap();
            assert!((agreement - agreeing as f64 / 7.).abs() < 1e-6);
            // The nearest sample with another label, or that the model misclassifies.
            let dissent = &result["dissent"];
            assert!(
                dissent["label"] != *predicted
                    || dissent["label"] != dissent["prediction"]["label"]
            );
            let nearest =
                order.iter().find(|(_, row)| corpus[*row]["label"] != *predicted).unwrap();
            assert!(dissent["similarity"].as_f64().unwrap() > nearest.0 - 1e-5);
            for field in ["typicality", "credibility"] {
                let value = result[field].as_f64().unwrap();
                assert!((0. ..=1.).contains(&value), "{field} {value}");
            }
        }
    }
}

/// Predictions of samples equal POST /predict on their texts.
#[tokio::test]
async fn predictions_of_samples_match_the_model() {
    let service = start_with_shared_corpora();
    let answer = answered(&service, &json!({"inputs": GREAT, "model": "sentiment-en"})).await;
    let neighbours = answer["results"][0]["neighbours"].as_array().unwrap();
    let texts: Vec<&str> = neighbours.iter().map(|one| one["text"].as_str().unwrap()).collect();
    let predicted = service.post("/predict", json!({"inputs": texts})).await.json();
    for (neighbour, result) in neighbours.iter().zip(predicted["results"].as_array().unwrap()) {
        let theirs = &result["predictions"][0];
        for field in ["label", "index", "probability"] {
            assert_eq!(neighbour["prediction"][field], theirs[field]);
        }
    }
}

/// An identical text is the nearest neighbour, by states and by gradients.
#[tokio::test]
async fn an_identical_sample_is_the_nearest_neighbour() {
    let service = start_with_shared_corpora();
    for model in ["sentiment-en", "sentiment-zh"] {
        for sample in samples(model).iter().step_by(97) {
            let body = json!({"model": model, "inputs": sample["text"], "k": 1});
            for similarity in ["cosine", "gradient"] {
                let body = with(&body, &json!({"similarity": similarity}));
                let answer = answered(&service, &body).await;
                let result = &answer["results"][0];
                let right = result["prediction"]["label"] == sample["label"];
                // The gradient of a misclassified sample supports the other label.
                if similarity == "cosine" || right {
                    let neighbour = &result["neighbours"][0];
                    assert!(neighbour["similarity"].as_f64().unwrap() > 0.99999, "{neighbour}");
                    assert_eq!(result["corpus"]["similarity"], similarity);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_corpus_in_a_file_is_embedded_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.tsv");
    fs::write(&path, "so good\t1\nso dull\t0\ngreat fun\t1\nawful\t0\n").unwrap();
    let entry = CorpusEntry {
        id: "reviews".to_owned(),
        path,
        model: "sentiment-en".to_owned(),
        layer: 2,
        pooling: StatePooling::First,
        store: Some(explaind::corpus::Store::Folder(folder.path().join("store"))),
    };
    let config = Config { corpora: vec![entry], ..untimed() };
    let body = json!({"inputs": "great fun", "k": 10});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let service = start_with(&config).await;
        app::serve_corpora(&service.service.explainer, &[], &config.corpora);
        let answer = answered(&service, &body).await;
        let result = answer["results"][0].clone();
        assert_eq!(result["corpus"]["id"], "reviews", "the first of the model");
        assert_eq!(ids(&result["neighbours"]).len(), 4, "all samples");
        assert_eq!(result["neighbours"][0]["text"], "great fun");
        answers.push(result);
        let listed = service.get("/corpora").await.json();
        assert_eq!(listed["corpora"][0]["indexes"][0]["state"], "ready");
        assert!(listed["corpora"][0]["path"].is_null());
        let listed = service.get_as_admin("/corpora").await.json();
        assert!(listed["corpora"][0]["path"].is_string());
    }
    assert_eq!(answers[0], answers[1]);
    let stored = folder.path().join("store/reviews.tsv.reviews.cosine.index");
    assert!(stored.is_file());
    // A truncated index is rebuilt.
    let whole = fs::read(&stored).unwrap();
    fs::write(&stored, &whole[..whole.len() / 2]).unwrap();
    let service = start_with(&config).await;
    app::serve_corpora(&service.service.explainer, &[], &config.corpora);
    assert_eq!(answered(&service, &body).await["results"][0], answers[0]);
    assert_eq!(fs::read(&stored).unwrap(), whole);
}

#[tokio::test]
async fn corpora_can_be_added_replaced_and_removed() {
    let service = start().await;
    let samples = json!({"samples": [
        {"id": "a", "text": "so good", "label": "POSITIVE"},
        {"text": "so dull", "label": "0"},
    ]});
    service.request("PUT", "/corpora/mine", &[], &samples).await.problem(401, "unauthorized");
    let reply = service.put("/corpora/mine", &samples).await;
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    let body = json!({"inputs": GREAT, "corpus": "mine"});
    let answer = answered(&service, &body).await;
    let result = &answer["results"][0];
    let mut found = ids(&result["neighbours"]);
    found.sort_unstable();
    assert_eq!(found, ["1", "a"]);
    assert_eq!(result["dissent"]["text"], "so dull");
    assert!(result["credibility"].is_null(), "two samples are too few: {result}");
    // Replacing the corpus changes the result.
    let other = json!({"samples": [{"text": "fine", "label": "POSITIVE"}]});
    assert_eq!(service.put("/corpora/mine", other).await.status, 202);
    let answer = answered(&service, &body).await;
    assert_eq!(answer["results"][0]["neighbours"][0]["text"], "fine");
    assert!(answer["results"][0]["dissent"].is_null(), "no dissent: {answer}");
    assert_eq!(service.delete("/corpora/mine").await.status, 204);
    let problem = service.post("/examples", &body).await.problem(404, "corpus_not_found");
    assert_eq!(problem["pointer"], "/corpus");
    service.delete("/corpora/mine").await.problem(404, "corpus_not_found");
}

#[tokio::test]
async fn invalid_fields_are_rejected_with_a_pointer() {
    let service = start().await;
    let fine = json!({"inputs": GREAT, "model": "sentiment-en"});
    for (more, status, code, pointer) in [
        (json!({"k": 0}), 422, "invalid_field", "/k"),
        (json!({"k": 101}), 422, "invalid_field", "/k"),
        (json!({"similarity": "dot"}), 422, "invalid_field", "/similarity"),
        (json!({"corpus": "nowhere"}), 404, "corpus_not_found", "/corpus"),
        (json!({"corpus": "sentiment-zh"}), 422, "invalid_field", "/corpus"),
        (json!({"inputs": ""}), 422, "input_empty", "/inputs"),
        (json!({"colour": 1}), 422, "invalid_field", "/colour"),
    ] {
        let problem = service.post("/examples", with(&fine, &more)).await.problem(status, code);
        assert_eq!(problem["pointer"], pointer, "{problem}");
    }
    let sample = |text: &str, label: &str| json!({"text": text, "label": label});
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"path": "/etc/passwd"}), "/path"),
        (json!({"path": "/nowhere/a.jsonl"}), "/path"),
        (json!({"samples": []}), "/samples"),
        (json!({"samples": [sample("a", "1"), sample("b", "maybe")]}), "/samples/1/label"),
        (json!({"samples": [sample(" ", "1")]}), "/samples/0/text"),
        (json!({"samples": [sample("a", "1")], "layer": 9}), "/layer"),
    ] {
        let problem = service.put("/corpora/mine", body).await.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{problem}");
    }
    let one = json!({"samples": [sample("a", "1")]});
    service.put("/corpora/sentiment-en", &one).await.problem(422, "invalid_field");
    service.delete("/corpora/sentiment-en").await.problem(422, "invalid_field");
    let other = serving("bert-tokens").await;
    let problem = other.post("/examples", json!({"inputs": "a"})).await;
    problem.problem(422, "method_not_supported");
}

/// The reason of a failed corpus is visible only with the admin key.
#[tokio::test]
async fn a_failed_corpus_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.jsonl");
    fs::write(&path, "{\"text\": \"a\", \"label\": \"POSITIVE\"}\n{\"text\": \"b\"}\n").unwrap();
    let service = start().await;
    let body = json!({"path": path});
    assert_eq!(service.put("/corpora/broken", &body).await.status, 202);
    let asked = json!({"inputs": GREAT, "corpus": "broken"});
    service.post("/examples", &asked).await.problem(503, "not_ready");
    let listed = service.get_as_admin("/corpora").await.json();
    let reason = listed["corpora"][0]["indexes"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("line 2") && reason.contains("label"), "{reason}");
    let listed = service.get("/corpora").await.json();
    assert!(listed["corpora"][0]["indexes"][0]["reason"].is_null());
}

/// An invalid input does not affect the others.
#[tokio::test]
async fn inputs_are_processed_independently() {
    let service = start_with_shared_corpora();
    let answer = answered(&service, &json!({"inputs": [{"text": GREAT, "id": "x"}, ""]})).await;
    assert_eq!(answer["results"][0]["id"], "x");
    assert_eq!(answer["results"][1]["error"]["code"], "input_empty");
    let page =
        service.request("POST", "/examples", &[("accept", "text/html")], json!({"inputs": GREAT}));
    let page = String::from_utf8(page.await.body).unwrap();
    assert!(page.contains("nearest of 500 samples of sentiment-en"), "{page}");
    let priced = service.post("/estimate/examples", json!({"inputs": GREAT})).await.json();
    assert_eq!(priced["forward_rows"], 2);
}

/// Replacing a model rebuilds the index of its corpus.
#[tokio::test]
async fn replacing_a_model_rebuilds_the_index() {
    let service = serving("bert-tiny").await;
    let samples =
        json!({"samples": [{"text": "great", "label": "0"}, {"text": "dull", "label": "1"}]});
    assert_eq!(service.put("/corpora/mine", &samples).await.status, 202);
    let before = answered(&service, &json!({"inputs": "great movie"})).await;
    let explainer = Arc::clone(&service.service.explainer);
    let source = crate::support::golden_folder("albert-sequence");
    let body = json!({"source": source});
    assert_eq!(service.put("/models/bert-tiny", &body).await.status, 202);
    let replaced = || explainer.pool.get(None).is_ok_and(|model| model.architecture == "albert");
    crate::support::wait_until(replaced).await;
    let after = answered(&service, &json!({"inputs": "great movie"})).await;
    let similarity = |answer: &Value| answer["results"][0]["neighbours"][0]["similarity"].clone();
    assert_ne!(similarity(&before), similarity(&after));
}

/// Returns a service whose corpus is a file, watched at a short interval.
async fn watching(path: &Path) -> (Running, tokio::task::JoinHandle<()>) {
    let service = start().await;
    assert_eq!(service.put("/corpora/mine", json!({"path": path})).await.status, 202);
    let corpora = Arc::clone(&service.service.explainer.corpora);
    (service, tokio::spawn(corpora.watch(Duration::from_millis(5))))
}

/// The old index answers until the new one is ready.
#[tokio::test]
async fn a_changed_file_is_embedded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.tsv");
    fs::write(&path, "so good\t1\nso dull\t0\n").unwrap();
    let (service, watch) = watching(&path).await;
    let body = json!({"inputs": GREAT, "corpus": "mine"});
    let texts = async || {
        let result = answered(&service, &body).await["results"][0].clone();
        let texts = result["neighbours"].as_array().unwrap().clone();
        let mut texts: Vec<Value> = texts.iter().map(|one| one["text"].clone()).collect();
        texts.sort_by_key(Value::to_string);
        texts
    };
    assert_eq!(texts().await, ["so dull", "so good"]);
    let listed = async || service.get("/corpora").await.json()["corpora"][0]["indexes"][0].clone();
    let held = Held::after(0, "lavish");
    fs::write(&path, "so good\t1\na lavish film\t1\nso dull\t0\n").unwrap();
    held.reached().await;
    assert_eq!(texts().await, ["so dull", "so good"], "the old index answers");
    let index = listed().await;
    assert_eq!((&index["state"], &index["samples"]), (&json!("ready"), &json!(2)));
    assert!(index["done"].is_number(), "{index}");
    held.open();
    wait_until_async(async || listed().await["samples"] == 3).await;
    assert_eq!(texts().await, ["a lavish film", "so dull", "so good"]);
    assert!(listed().await["done"].is_null());
    watch.abort();
    // A file that cannot be used, or that is gone, does not replace the index.
    let corpora = Arc::clone(&service.service.explainer.corpora);
    fs::write(&path, "so good\tperhaps\n").unwrap();
    corpora.check_files();
    wait_until_async(async || listed().await["done"].is_null()).await;
    assert_eq!(texts().await, ["a lavish film", "so dull", "so good"]);
    fs::remove_file(&path).unwrap();
    corpora.check_files();
    assert!(listed().await["done"].is_null());
    assert_eq!(texts().await, ["a lavish film", "so dull", "so good"]);
}

const LONG: &str =
    "the plot of the film is thin and the end is long , but it is a great and funny joy";

/// Anchors try rare words first, by the corpus of their model if one is configured. A corpus in
/// which the decisive word is in every sample, and the others in none, misleads the search.
#[tokio::test]
async fn anchors_use_the_document_frequencies_of_the_corpus() {
    let service = start().await;
    let body = json!({"inputs": LONG, "model": "sentiment-en"});
    let rows = async || {
        let reply = service.post("/rules", &body).await;
        assert_eq!(reply.status, 200);
        reply.json()["usage"]["forward_rows"].as_u64().unwrap()
    };
    let plain = rows().await;
    let words = async |words: &[&str]| {
        let samples: Vec<Value> =
            (0..64).map(|_| json!({"text": words.join(" "), "label": "1"})).collect();
        let corpus = json!({"samples": samples});
        assert_eq!(service.put("/corpora/mine", corpus).await.status, 202);
        answered(&service, &json!({"inputs": GREAT, "corpus": "mine"})).await;
        rows().await
    };
    let misled = words(&["great", "funny"]).await;
    let led = words(&["a", "and", "film"]).await;
    assert!(led <= plain && led < misled, "{led}, {plain} without a corpus, {misled}");
    assert_eq!(service.delete("/corpora/mine").await.status, 204);
    assert_eq!(rows().await, plain);
}
