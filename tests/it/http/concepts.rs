//! POST, GET and DELETE /concepts, and `concepts` on POST /explain.

use std::time::Duration;

use explaind::config::{Concepts, Config, ModelEntry};
use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start, start_with, untimed};
use crate::support::{Held, PausedClock, golden_folder};

const POLITE: [&str; 6] = [
    "Could you please help me with this?",
    "Thank you very much for your time.",
    "I would be grateful for your advice.",
    "Excuse me, may I ask a question?",
    "We kindly ask you to wait here.",
    "Would you mind closing the door, please?",
];
const RUDE: [&str; 6] = [
    "Help me with this now, you fool.",
    "Get lost, nobody asked for your time.",
    "Keep your stupid advice.",
    "Shut up and answer my question.",
    "Stand there and be quiet, idiot.",
    "Close the door, moron.",
];

fn politeness() -> Value {
    json!({"name": "politeness", "concept": POLITE, "contrast": RUDE})
}

async fn learned(service: &Running, body: &Value) -> Value {
    let reply = service.post_as_admin("/concepts", body).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

async fn names(service: &Running) -> Vec<String> {
    let list = service.get("/concepts").await.json();
    let concepts = list["concepts"].as_array().unwrap().iter();
    concepts.map(|concept| concept["name"].as_str().unwrap().to_owned()).collect()
}

/// Returns where each text lies along a concept, without methods.
async fn located(service: &Running, model: &str, texts: Value, name: &str) -> Vec<Value> {
    let body = json!({"model": model, "inputs": texts, "concepts": [name], "methods": [],
                      "attention": false, "truncate": true});
    let answer = service.explain(body).await;
    let results = answer["results"].as_array().unwrap().iter();
    results.map(|result| result["concepts"][0].clone()).collect()
}

#[tokio::test]
async fn a_concept_is_learned_listed_used_and_removed() {
    let service = start().await;
    let concept = learned(&service, &politeness()).await;
    assert_eq!(concept["model"], "sentiment-en");
    assert_eq!(concept["usable"], true);
    assert_eq!(concept["texts"], json!({"concept": 6, "contrast": 6}));
    let layers = concept["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 4);
    let auc = |layer: &Value| layer["mean_difference"]["auc"].as_f64().unwrap();
    let best = concept["layer"].as_u64().unwrap() as usize;
    assert!(layers.iter().all(|layer| auc(layer) <= auc(&layers[best - 1])), "{concept}");
    for layer in layers {
        assert!(layer["logistic"]["direction"].is_null());
        let p = layer["tcav"]["p_value"].as_f64().unwrap();
        assert_eq!(layer["tcav"]["significant"], p < 0.05);
    }
    let listed = service.get("/concepts").await.json();
    assert_eq!(listed, json!({"concepts": [concept]}));
    // Positions are scaled by the texts themselves.
    for (texts, mean) in [(POLITE, 1.), (RUDE, -1.)] {
        let places = located(&service, "sentiment-en", json!(texts), "politeness").await;
        let sum: f64 = places.iter().map(|place| place["position"].as_f64().unwrap()).sum();
        assert!((sum / 6. - mean).abs() < 1e-4, "{places:?}");
        assert!(places.iter().all(|place| place["layer"] == best));
    }
    assert_eq!(service.delete("/concepts/politeness").await.status, 204);
    service.delete("/concepts/politeness").await.problem(404, "concept_not_found");
    let body = json!({"inputs": GREAT, "concepts": ["politeness"]});
    let problem = service.post("/explain", body).await.problem(404, "concept_not_found");
    assert_eq!(problem["pointer"], "/concepts/0");
}

/// The sensitivity at the same texts is the mean that POST /concepts reports.
#[tokio::test]
async fn sensitivities_and_directions_are_those_of_the_answer() {
    let service = start().await;
    let body = with(&politeness(), &json!({"directions": true, "target": "POSITIVE"}));
    let concept = learned(&service, &body).await;
    assert_eq!(concept["target"], json!({"label": "POSITIVE", "index": 1}));
    let best = &concept["layers"][concept["layer"].as_u64().unwrap() as usize - 1];
    for kind in ["mean_difference", "logistic"] {
        let direction = super::numbers(&best[kind]["direction"]);
        assert_eq!(direction.len(), 160);
        let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((norm - 1.).abs() < 1e-5, "{norm}");
    }
    let all = [POLITE, RUDE].concat();
    let body = json!({"inputs": all, "concepts": ["politeness"],
                      "target": "POSITIVE", "methods": [], "attention": false});
    let answer = service.explain(body).await;
    let results = answer["results"].as_array().unwrap();
    let sensitivities: Vec<f64> = results
        .iter()
        .map(|result| result["concepts"][0]["sensitivity"].as_f64().unwrap())
        .collect();
    let mean = sensitivities.iter().sum::<f64>() / 12.;
    let score = sensitivities.iter().filter(|slope| **slope > 0.).count() as f64 / 12.;
    assert!((mean - best["tcav"]["sensitivity"].as_f64().unwrap()).abs() < 1e-5, "{mean}");
    assert!((score - best["tcav"]["score"].as_f64().unwrap()).abs() < 1e-6, "{score}");
    // Every layer's place is shown; that of the concept's own layer twice.
    for result in results {
        let located = &result["concepts"][0];
        let places = located["layers"].as_array().unwrap();
        let numbers: Vec<u64> = places.iter().map(|one| one["layer"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        let own = &places[located["layer"].as_u64().unwrap() as usize - 1];
        for field in ["layer", "position", "sensitivity"] {
            assert_eq!(own[field], located[field], "{located}");
        }
    }
    for (index, layer) in concept["layers"].as_array().unwrap().iter().enumerate() {
        let place = |result: &Value| result["concepts"][0]["layers"][index].clone();
        let mean = |of: &[Value], field: &str| {
            let values = of.iter().map(|result| place(result)[field].as_f64().unwrap());
            values.sum::<f64>() / of.len() as f64
        };
        let (with, without) = results.split_at(6);
        assert!((mean(with, "position") - 1.).abs() < 1e-4, "{layer}");
        assert!((mean(without, "position") + 1.).abs() < 1e-4, "{layer}");
        let slope = layer["tcav"]["sensitivity"].as_f64().unwrap();
        assert!((mean(results, "sensitivity") - slope).abs() < 1e-5, "{layer}");
    }
}

/// The default target does not depend on how the texts are split, so that the test is exact.
#[tokio::test]
async fn the_texts_of_both_lists_choose_the_target() {
    let service = serving("bert-nli").await;
    let texts: Vec<Value> = (0..12)
        .map(|number| {
            let words = ["a man", "runs", "home", "who", "film", "good"];
            let text = format!("{} {} {number}", words[number % 6], words[number / 2 % 6]);
            json!({"text": text, "text_pair": "a man runs home"})
        })
        .collect();
    let predicted = service.post("/predict", json!({"inputs": texts})).await.json();
    let labels: Vec<u64> = (0..12)
        .map(|index| predicted["results"][index]["predictions"][0]["index"].as_u64().unwrap())
        .collect();
    let count = |label: u64| labels.iter().filter(|own| **own == label).count();
    let most = (0..3).rev().max_by_key(|label| count(*label)).unwrap();
    for shift in 0..6 {
        let mut split = texts.clone();
        split.rotate_left(shift);
        let (concept, contrast) = split.split_at(6);
        let body = json!({"name": "c", "concept": concept, "contrast": contrast});
        let learned = learned(&service, &body).await;
        assert_eq!(learned["target"]["index"], most, "{labels:?}");
    }
}

/// Directions that would not fit into a response are refused before anything is learned.
#[tokio::test]
async fn directions_have_to_fit() {
    let mut config = untimed();
    config.limits.response_bytes = 16_384;
    let service = start_with(&config).await;
    let body = with(&politeness(), &json!({"directions": true}));
    let problem = service.post_as_admin("/concepts", body).await.problem(422, "response_too_large");
    assert_eq!(problem["pointer"], "/directions");
    assert!(names(&service).await.is_empty());
    learned(&service, &politeness()).await;
}

#[tokio::test]
async fn what_shares_the_batch_changes_nothing() {
    let service = start().await;
    learned(&service, &politeness()).await;
    let texts = [GREAT, "The plot is not good.", "Shut up."];
    let together = located(&service, "sentiment-en", json!(texts), "politeness").await;
    for (index, text) in texts.iter().enumerate() {
        let alone = located(&service, "sentiment-en", json!(text), "politeness").await;
        assert_eq!(together[index], alone[0]);
    }
    // The same texts and seed give the same concept.
    let again = learned(&service, &politeness()).await;
    assert_eq!(service.get("/concepts").await.json()["concepts"][0], again);
    let other = learned(&service, &with(&politeness(), &json!({"seed": 7}))).await;
    let tcav = |concept: &Value| concept["layers"][0]["tcav"]["score"].clone();
    assert_eq!(tcav(&other), tcav(&again));
}

#[tokio::test]
async fn concepts_are_priced_and_shown_in_every_format() {
    let service = start().await;
    learned(&service, &politeness()).await;
    let plain = json!({"inputs": GREAT, "methods": []});
    let body = with(&plain, &json!({"concepts": ["politeness"]}));
    let rows = async |body: &Value| {
        service.post("/estimate", body).await.json()["gradient_rows"].as_u64().unwrap()
    };
    assert_eq!(rows(&body).await, rows(&plain).await + 1);
    let used = service.explain(body.clone()).await["usage"]["gradient_rows"].clone();
    assert_eq!(used, rows(&body).await);
    let page = service.render("text/html", body.clone()).await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.contains("Concepts") && page.contains("politeness"), "{page}");
    let lines = service.render("application/x-ndjson", body.clone()).await;
    assert!(String::from_utf8(lines.body.to_vec()).unwrap().contains("\"sensitivity\""));
    let tensors = service.render("application/x-safetensors", body.clone()).await;
    let (_, header) = safetensors::SafeTensors::read_metadata(&tensors.body).unwrap();
    let metadata = header.metadata().as_ref().unwrap()["explaind"].clone();
    assert!(metadata.contains("\"sensitivity\""), "{metadata}");
}

#[tokio::test]
async fn invalid_fields_are_rejected_with_a_pointer() {
    let service = start().await;
    let twice = [RUDE[0], RUDE[1], RUDE[2], RUDE[3], RUDE[0]];
    let shared = [RUDE[0], RUDE[1], RUDE[2], RUDE[3], " Thank you very much for your time. "];
    let blank = [RUDE[0], RUDE[1], RUDE[2], RUDE[3], "  "];
    let many: Vec<String> = (0..129).map(|number| format!("number {number}")).collect();
    let cased = POLITE.map(str::to_uppercase);
    let long = "word ".repeat(400);
    for (more, code, pointer) in [
        (json!({"name": ""}), "invalid_field", "/name"),
        (json!({"name": "../a"}), "invalid_field", "/name"),
        (json!({"name": ".a"}), "invalid_field", "/name"),
        (json!({"name": "a".repeat(65)}), "invalid_field", "/name"),
        (json!({"name": 1}), "invalid_field", "/name"),
        (json!({"concept": []}), "invalid_field", "/concept"),
        (json!({"contrast": []}), "invalid_field", "/contrast"),
        (json!({"contrast": ["one"]}), "invalid_field", "/contrast"),
        (json!({"contrast": "one"}), "invalid_field", "/contrast"),
        (json!({"contrast": many}), "invalid_field", "/contrast"),
        (json!({"contrast": twice}), "invalid_field", "/contrast/4"),
        (json!({"contrast": shared}), "invalid_field", "/contrast/4"),
        (json!({"contrast": blank}), "input_empty", "/contrast/4"),
        (json!({"contrast": cased}), "invalid_field", "/contrast"),
        (json!({"contrast": [1, 2, 3, 4, 5]}), "invalid_field", "/contrast/0"),
        (json!({"contrast": [long, "a", "b", "c", "d"]}), "input_too_long", "/contrast/0"),
        (json!({"target": "all"}), "invalid_field", "/target"),
        (json!({"target": "HAPPY"}), "target_not_found", "/target"),
        (json!({"budget_ms": 0}), "invalid_field", "/budget_ms"),
        (json!({"seed": -1}), "invalid_field", "/seed"),
        (json!({"colour": 1}), "invalid_field", "/colour"),
    ] {
        let body = with(&politeness(), &more);
        let problem = service.post_as_admin("/concepts", body).await.problem(422, code);
        assert_eq!(problem["pointer"], pointer, "{problem}");
    }
    let body = with(&politeness(), &json!({"model": "none"}));
    service.post_as_admin("/concepts", body).await.problem(404, "model_not_found");
    service.post("/concepts", politeness()).await.problem(401, "unauthorized");
    let reply = service.request("DELETE", "/concepts/politeness", &[], "").await;
    reply.problem(401, "unauthorized");
    service.delete("/concepts/..%2Fa").await.problem(404, "concept_not_found");
    assert!(names(&service).await.is_empty());
    learned(&service, &politeness()).await;
    let both = json!(["politeness", "politeness"]);
    for (more, pointer) in [
        (json!({"concepts": both}), "/concepts/1"),
        (json!({"model": "sentiment-zh"}), "/concepts/0"),
    ] {
        let body = json!({"inputs": GREAT, "concepts": ["politeness"]});
        let problem = service.post("/explain", with(&body, &more)).await;
        assert_eq!(problem.problem(422, "invalid_field")["pointer"], pointer);
    }
}

#[tokio::test]
async fn a_restart_keeps_concepts_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("concepts");
    let config = Config { concepts: Concepts { folder: Some(path.clone()) }, ..untimed() };
    let first = start_with(&config).await;
    let concept = learned(&first, &politeness()).await;
    let place = located(&first, "sentiment-en", json!(GREAT), "politeness").await;
    // What is not a concept is left alone.
    std::fs::write(path.join("other.json"), "{}").unwrap();
    std::fs::copy(path.join("politeness.json"), path.join("renamed.json")).unwrap();
    std::fs::create_dir(path.join("folder.json")).unwrap();
    let second = start_with(&config).await;
    assert_eq!(second.get("/concepts").await.json(), json!({"concepts": [concept]}));
    assert_eq!(located(&second, "sentiment-en", json!(GREAT), "politeness").await, place);
    assert_eq!(second.delete("/concepts/politeness").await.status, 204);
    let third = start_with(&config).await;
    assert!(names(&third).await.is_empty());
    assert!(path.join("other.json").is_file() && path.join("renamed.json").is_file());
}

#[tokio::test]
async fn another_revision_of_the_model_needs_a_new_concept() {
    let folder = tempfile::tempdir().unwrap();
    let config = |source: &str| Config {
        models: vec![ModelEntry::new("mine", golden_folder(source).display().to_string())],
        concepts: Concepts { folder: Some(folder.path().to_owned()) },
        ..untimed()
    };
    learned(&start_with(&config("bert-tiny")).await, &politeness()).await;
    // Its states have the same width.
    let changed = start_with(&config("bert-tiny-multi-label")).await;
    assert_eq!(changed.get("/concepts").await.json()["concepts"][0]["usable"], false);
    let body = json!({"inputs": "a man", "concepts": ["politeness"]});
    let problem = changed.post("/explain", &body).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/concepts/0");
    assert!(problem["detail"].as_str().unwrap().contains("again"), "{problem}");
    assert_eq!(learned(&changed, &politeness()).await["usable"], true);
    changed.explain(body).await;
}

#[tokio::test]
async fn cached_responses_depend_on_the_concept() {
    let mut config = untimed();
    config.cache.mebibytes = 16;
    let service = start_with(&config).await;
    learned(&service, &politeness()).await;
    let body = json!({"inputs": GREAT, "concepts": ["politeness"]});
    let status = async || {
        let reply = service.post("/explain", &body).await;
        reply.headers["cache-status"].to_str().unwrap().to_owned()
    };
    assert_eq!(status().await, "explaind; fwd=uri-miss");
    assert_eq!(status().await, "explaind; hit");
    learned(&service, &with(&politeness(), &json!({"contrast": &RUDE[..5]}))).await;
    assert_eq!(status().await, "explaind; fwd=uri-miss");
}

/// Every task has a scalar that may depend on a concept.
#[tokio::test]
async fn all_tasks_have_concepts() {
    let pair = |text: &str| json!({"text": text, "text_pair": "A man is playing in the film."});
    let masked = |text: &str| json!(format!("{text} The [MASK] was good."));
    let question = |text: &str| json!({"text": "Who is it?", "text_pair": text});
    let plain = |text: &str| json!(text);
    type Form<'a> = &'a dyn Fn(&str) -> Value;
    for (folder, form) in [
        ("bert-tiny-regression", &plain as Form<'_>),
        ("bert-nli", &pair),
        ("bert-nsp", &pair),
        ("bert-tokens", &plain),
        ("bert-mlm", &masked),
        ("bert-qa", &question),
        ("bert-embed", &pair),
        ("deberta-v3-sequence", &plain),
        ("albert-sequence", &plain),
        ("modernbert-mean-sequence", &plain),
    ] {
        let service = serving(folder).await;
        let forms = |texts: [&str; 6]| texts.iter().map(|text| form(text)).collect::<Vec<_>>();
        let body = json!({"name": "c", "concept": forms(POLITE), "contrast": forms(RUDE),
                          "truncate": true});
        let concept = learned(&service, &body).await;
        let layer = concept["layer"].as_u64().unwrap();
        assert!(layer >= 1, "{folder}: {concept}");
        let found = located(&service, folder, json!(forms(POLITE)), "c").await;
        let positions: Vec<f64> =
            found.iter().map(|place| place["position"].as_f64().unwrap()).collect();
        let mean = positions.iter().sum::<f64>() / 6.;
        assert!((mean - 1.).abs() < 1e-3, "{folder}: {positions:?}");
        assert!(found.iter().any(|place| place["sensitivity"] != 0.), "{folder}: {found:?}");
    }
    // An embedding model explains the similarity of two texts.
    let service = serving("bert-embed").await;
    service.post_as_admin("/concepts", politeness()).await.problem(422, "input_empty");
}

/// A request that is late or abandoned stores nothing, and lets the next one in.
#[tokio::test]
async fn what_is_not_done_in_time_is_not_stored() {
    let service = start().await;
    let mut texts = RUDE.to_vec();
    texts[0] = "Leave this orchard.";
    let late = json!({"name": "late", "concept": POLITE, "contrast": texts, "budget_ms": 1_000});
    let clock = PausedClock::new();
    // The first pass of the text, and its gradient.
    for free in [0, 1] {
        let held = Held::after(free, "orchard");
        let request = service.post_as_admin("/concepts", &late);
        let reply = held.advance_while_held(&clock, Duration::from_secs(1), request).await;
        reply.problem(504, "deadline_exceeded");
        held.open();
    }
    assert!(names(&service).await.is_empty());
    learned(&service, &politeness()).await;
    assert_eq!(names(&service).await, ["politeness"]);
}
