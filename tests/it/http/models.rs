//! Loading and unloading of models while the service runs.

use std::fs;
use std::sync::Arc;

use explaind::config::{AdminKey, Config, ModelEntry};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::GREAT;
use crate::support::service::{Running, start_with, unready, untimed};
use crate::support::{Held, PATIENCE, golden_folder, wait_until, wait_until_async};

fn golden(name: &str) -> Value {
    json!({ "source": golden_folder(name) })
}

/// Returns a configuration with these models: pairs of id and source.
pub fn config(models: &[(&str, &str)]) -> Config {
    let entry = |(id, source): &(&str, &str)| ModelEntry::new(*id, *source);
    Config { models: models.iter().map(entry).collect(), ..untimed() }
}

async fn small() -> Running {
    start_with(&config(&[("first", golden_folder("bert-tiny").to_str().unwrap())])).await
}

/// Waits until the model is not loading any more and returns the response of GET /models/{id}.
pub async fn settled(service: &Running, id: &str) -> Value {
    let path = format!("/models/{id}");
    let state = async || service.get_as_admin(&path).await.json();
    wait_until_async(async || {
        let model = state().await;
        model["state"] != "loading" && model["next"]["state"] != "loading"
    })
    .await;
    state().await
}

pub fn ask(model: &str) -> Value {
    json!({"model": model, "inputs": "good movie", "methods": ["saliency"]})
}

#[tokio::test]
async fn the_effective_tokenizer_settings_are_listed() {
    let folder = |name: &str| golden_folder(name).to_str().unwrap().to_owned();
    let [cased, marks, roberta] =
        ["bert-written-cased", "bert-written-marks", "roberta-written-prefix"].map(folder);
    let models = [("cased", &*cased), ("marks", &*marks), ("roberta", &*roberta)];
    let service = start_with(&config(&models)).await;
    let tokenizer =
        async |id: &str| service.get(&format!("/models/{id}")).await.json()["tokenizer"].clone();
    let special = json!({
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    });
    let expected = json!({
        "class": "BertTokenizer", "model": "WordPiece", "lowercase": false, "strip_accents": true,
        "tokenize_chinese_chars": false, "add_prefix_space": false, "token_types": true,
        "max_length": 40, "truncation_side": "right", "padding_side": "right",
        "special_tokens": special,
    });
    assert_eq!(tokenizer("cased").await, expected);
    let marks = tokenizer("marks").await;
    assert_eq!(marks["extra_special_tokens"], json!(["<e1>", "</e1>", "very"]));
    assert_eq!((&marks["lowercase"], &marks["strip_accents"]), (&json!(true), &json!(true)));
    let roberta = tokenizer("roberta").await;
    assert_eq!(roberta["class"], "RobertaTokenizer");
    assert_eq!(roberta["add_prefix_space"], true);
    assert_eq!(roberta["token_types"], false);
}

#[tokio::test]
async fn models_are_loaded_and_unloaded() {
    let service = small().await;
    service.get("/models/late").await.problem(404, "model_not_found");
    let reply = service.put("/models/late", golden("roberta-sequence")).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json(), json!({"id": "late", "state": "loading"}));
    let model = settled(&service, "late").await;
    assert_eq!((&model["state"], &model["architecture"]), (&json!("ready"), &json!("roberta")));
    let bytes = model["memory_bytes"].as_u64().unwrap();
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(text.contains(&format!("explaind_model_bytes{{model=\"late\"}} {bytes}\n")), "{text}");
    // Its responses are the same as those of a model loaded at the start.
    let folder = golden_folder("roberta-sequence");
    let early = start_with(&config(&[("late", folder.to_str().unwrap())])).await;
    let (late, early) = (service.explain(ask("late")).await, early.explain(ask("late")).await);
    assert_eq!((&late["results"], &late["model"]), (&early["results"], &early["model"]));
    // A second PUT has no effect.
    let reply = service.put("/models/late", golden("roberta-sequence")).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["state"]), (200, &json!("ready")));
    assert_eq!(service.delete("/models/late").await.status, 204);
    service.post("/explain", ask("late")).await.problem(404, "model_not_found");
    service.delete("/models/late").await.problem(404, "model_not_found");
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(!text.contains("late"), "its metrics are removed");
    // The default is the first loaded model.
    service.put("/models/second", golden("bert-nli")).await;
    settled(&service, "second").await;
    assert_eq!(service.delete("/models/first").await.status, 204);
    let answer = service.explain(json!({"inputs": "good", "methods": ["saliency"]})).await;
    assert_eq!(answer["model"]["id"], "second");
    service.delete("/models/second").await;
    service.get("/readyz").await.problem(503, "not_ready");
    service.post("/explain", json!({"inputs": "good"})).await.problem(404, "model_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replacing_a_model_does_not_interrupt_service() {
    let service = Arc::new(small().await);
    let before = service.explain(ask("first")).await;
    let requests = tokio::spawn({
        let service = Arc::clone(&service);
        async move {
            let mut names = Vec::new();
            while names.last() != Some(&json!("albert")) {
                names.push(service.explain(ask("first")).await["model"]["architecture"].clone());
            }
            names
        }
    });
    let reply = service.put("/models/first", golden("albert-sequence")).await;
    assert_eq!(reply.status, 202);
    let names = tokio::time::timeout(PATIENCE, requests).await.unwrap().unwrap();
    assert!(names.iter().all(|name| name == "bert" || name == "albert"), "{names:?}");
    let after = service.explain(ask("first")).await;
    assert_ne!(before["model"]["revision"], after["model"]["revision"]);
    // After a failed load, the old model still serves, and the error is reported.
    let broken = broken_folder();
    let reply = service.put("/models/first", json!({"source": broken.path()})).await;
    assert_eq!(reply.status, 202);
    let model = settled(&service, "first").await;
    assert_eq!((&model["state"], &model["next"]["state"]), (&json!("ready"), &json!("failed")));
    assert_eq!(service.explain(ask("first")).await["results"], after["results"]);
    // A PUT of the current source clears the error.
    assert_eq!(service.put("/models/first", golden("albert-sequence")).await.status, 200);
    assert!(settled(&service, "first").await.get("next").is_none());
}

/// Creates a checkpoint with a truncated file.
fn broken_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(golden_folder("bert-tiny").join(name), folder.path().join(name)).unwrap();
    }
    let weights = folder.path().join("model.safetensors");
    let data = fs::read(&weights).unwrap();
    fs::write(weights, &data[..data.len() / 2]).unwrap();
    folder
}

#[tokio::test]
async fn a_model_that_fails_to_load_does_not_affect_others() {
    let broken = broken_folder();
    let good = golden_folder("bert-tiny");
    let (broken, good) = (broken.path().to_str().unwrap(), good.to_str().unwrap());
    let service = start_with(&config(&[("bad", broken), ("good", good)])).await;
    let health = service.get("/readyz").await;
    assert_eq!(health.json(), json!({"status": "ready", "failed": ["bad"]}));
    let model = service.get_as_admin("/models/bad").await.json();
    assert_eq!(model["state"], "failed");
    assert_eq!(model["problem"]["code"], "model_invalid");
    assert!(model["problem"]["detail"].as_str().unwrap().contains(broken), "{model}");
    // Without the admin key, the error names the file but not its folder.
    let problem = service.post("/explain", ask("bad")).await.problem(503, "not_ready");
    let [model, list] = [service.get("/models/bad").await, service.get("/models").await];
    for body in [problem, model.json(), list.json()].map(|json| json.to_string()) {
        assert!(body.contains("model.safetensors") && !body.contains(broken), "{body}");
    }
    // Requests for the default model do not fall back to another one.
    service.post("/explain", json!({"inputs": "good"})).await.problem(503, "not_ready");
    service.explain(ask("good")).await;
    // It can be loaded again from another source.
    assert_eq!(service.put("/models/bad", json!({"source": good})).await.status, 202);
    assert_eq!(settled(&service, "bad").await["state"], "ready");
    // If no model can be loaded, startup fails.
    let config = config(&[("bad", broken)]);
    let service = unready(&config);
    let error = explaind::app::load(&service.service.explainer, &config.models).await.unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[tokio::test]
async fn models_with_the_same_source_share_memory() {
    let folder = golden_folder("bert-tiny");
    // Another path of the same folder.
    let other = folder.join("../bert-tiny");
    let (folder, other) = (folder.to_str().unwrap(), other.to_str().unwrap());
    let service = start_with(&config(&[("a", folder), ("b", other), ("c", folder)])).await;
    let pool = &service.service.explainer.pool;
    let models = pool.models();
    assert_eq!(models.len(), 3);
    assert!(models.iter().all(|model| model.shares_weights_with(&models[0])));
    assert_eq!(pool.memory_bytes(), models[0].memory_bytes());
    let (a, b) = (service.explain(ask("a")).await, service.explain(ask("b")).await);
    assert_eq!(a["results"], b["results"]);
    assert_eq!(b["model"]["id"], "b");
    // Models with different activations do not share.
    service.put("/models/d", json!({"source": folder, "activation": "sigmoid"})).await;
    let d = settled(&service, "d").await;
    assert_eq!(d["activation"], "sigmoid");
    assert_eq!(d["revision"], a["model"]["revision"]);
    assert_eq!(pool.memory_bytes(), 2 * models[0].memory_bytes());
    drop(models);
    for id in ["a", "b", "c", "d"] {
        service.delete(&format!("/models/{id}")).await;
    }
    wait_until(|| pool.memory_bytes() == 0).await;
}

#[tokio::test]
async fn requests_in_flight_keep_their_model() {
    let service = small().await;
    let pool = &service.service.explainer.pool;
    let in_flight = pool.get(Some("first")).unwrap();
    let bytes = in_flight.memory_bytes();
    let reply = service.delete("/models/first").await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json(), json!({"id": "first", "state": "unloading"}));
    assert_eq!(service.get("/models/first").await.json()["state"], "unloading");
    service.post("/explain", ask("first")).await.problem(404, "model_not_found");
    assert_eq!(pool.memory_bytes(), bytes);
    drop(in_flight);
    assert_eq!(pool.memory_bytes(), 0);
    service.get("/models/first").await.problem(404, "model_not_found");
    // The same with a request over HTTP.
    service.put("/models/first", json!({"source": "builtin:sentiment-en"})).await;
    settled(&service, "first").await;
    let held = Held::after(0, "bridge");
    let long = json!({"model": "first", "inputs": "a bridge", "methods": ["saliency"]});
    let (answer, reply) = tokio::join!(service.explain(long), async {
        held.reached().await;
        let reply = service.delete("/models/first").await;
        held.open();
        reply
    });
    assert_eq!(reply.status, 202);
    assert_eq!(answer["model"]["id"], "first");
    wait_until(|| pool.memory_bytes() == 0).await;
}

#[tokio::test]
async fn models_over_the_memory_limit_are_rejected() {
    let mut config = config(&[("en", "builtin:sentiment-en")]);
    let service = start_with(&config).await;
    let bytes = service.get("/models/en").await.json()["memory_bytes"].as_u64().unwrap();
    config.limits.model_mebibytes = bytes.div_ceil(1 << 20) as usize;
    let service = start_with(&config).await;
    service.put("/models/zh", json!({"source": "builtin:sentiment-zh"})).await;
    let model = settled(&service, "zh").await;
    assert_eq!(model["problem"]["code"], "model_too_large", "{model}");
    assert_eq!(model["problem"]["status"], 422);
    let detail = model["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("limits.model_mebibytes") && detail.contains("MiB"), "{detail}");
    service.explain(json!({"inputs": GREAT})).await;
    // It loads after another model is unloaded.
    service.delete("/models/en").await;
    wait_until(|| service.service.explainer.pool.memory_bytes() == 0).await;
    let reply = service.put("/models/zh", json!({"source": "builtin:sentiment-zh"})).await;
    assert_eq!(reply.status, 202);
    assert_eq!(settled(&service, "zh").await["state"], "ready");
}

#[tokio::test]
async fn changes_need_the_admin_key() {
    let mut config = config(&[("first", golden_folder("bert-tiny").to_str().unwrap())]);
    let key = "Bearer 0123456789abcdef";
    config.server.admin_key = Some(AdminKey::new("0123456789abcdef").unwrap());
    config.server.listen = ([0, 0, 0, 0], 8080).into();
    let service = start_with(&config).await;
    for header in [&[][..], &[("authorization", "Bearer 0123456789abcdeF")]] {
        let reply = service.request("DELETE", "/models/first", header, "").await;
        reply.problem(401, "unauthorized");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        let body = golden("bert-tiny");
        service.request("PUT", "/models/x", header, body).await.problem(401, "unauthorized");
    }
    let with_key = [("authorization", key)];
    let reply = service.request("DELETE", "/models/first", &with_key, "").await;
    assert_eq!(reply.status, 204);
    // Without a configured key, local requests are rejected too.
    config.server.listen = ([127, 0, 0, 1], 8080).into();
    for admin_key in [None, Some(AdminKey::generate().0)] {
        config.server.admin_key = admin_key;
        let service = start_with(&config).await;
        for header in [&[][..], &with_key] {
            let reply = service.request("DELETE", "/models/first", header, "").await;
            let problem = reply.problem(401, "unauthorized");
            assert!(problem["detail"].as_str().unwrap().contains("server.admin_key"), "{problem}");
        }
    }
}

#[tokio::test]
async fn invalid_ids_and_bodies_are_rejected() {
    let service = small().await;
    let long = "a".repeat(65);
    for id in ["auto", ".hidden", "a%2Fb", "a%20b", "%C3%A9", "a%22%7D%0A", "%00", &long] {
        let reply = service.put(&format!("/models/{id}"), golden("bert-tiny")).await;
        assert_eq!(reply.problem(422, "invalid_field")["pointer"], "", "{id}");
    }
    service.put("/models/%ff", golden("bert-tiny")).await.problem(400, "bad_request");
    for (body, pointer) in [
        (json!({}), ""),
        (json!([]), ""),
        (json!({"source": 1}), "/source"),
        (json!({"source": ""}), "/source"),
        (json!({"source": "builtin:none"}), "/source"),
        (json!({"source": "/no/such/folder"}), "/source"),
        (json!({"source": "a\u{0}b"}), "/source"),
        (json!({"source": golden_folder("bert-tiny"), "activation": "tanh"}), "/activation"),
        (json!({"source": golden_folder("bert-tiny"), "revision": "x"}), "/revision"),
    ] {
        let problem = service.put("/models/x", &body).await.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
    }
    service.put("/models/x", "{").await.problem(400, "invalid_json");
    service.get("/models/x").await.problem(404, "model_not_found");
    // A folder without a model, and an unsupported activation.
    service.put("/models/x", json!({"source": std::env::temp_dir()})).await;
    assert_eq!(settled(&service, "x").await["problem"]["code"], "model_invalid");
    let unsupported = json!({"source": golden_folder("bert-qa"), "activation": "softmax"});
    service.put("/models/x", unsupported).await;
    let model = settled(&service, "x").await;
    assert!(model["problem"]["detail"].as_str().unwrap().contains("activation"), "{model}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_changes_and_the_maximum_number_of_models() {
    let service = small().await;
    let sources = ["bert-nli", "albert-sequence", "roberta-sequence"];
    let puts = (0..30).map(|i| {
        let service = &service;
        async move {
            let path = format!("/models/m{}", i % 5);
            if i % 7 == 6 {
                return service.delete(&path).await.status.as_u16();
            }
            service.put(&path, golden(sources[i % 3])).await.status.as_u16()
        }
    });
    for status in futures_util::future::join_all(puts).await {
        assert!([200, 202, 204, 404, 409].contains(&status), "{status}");
    }
    for id in 0..5 {
        let model = settled(&service, &format!("m{id}")).await;
        assert!(model["state"] == "ready" || model["status"] == 404, "{model}");
    }
    service.explain(ask("first")).await;
    // The number of ids is limited, also of failed and unloading models.
    let mut rejected = 0;
    for id in 0..70 {
        let reply = service.put(&format!("/models/n{id}"), golden("bert-tiny")).await;
        if reply.status == 409 {
            reply.problem(409, "too_many_models");
            rejected += 1;
        }
    }
    assert!(rejected >= 6, "{rejected}");
    assert!(service.get("/models").await.json()["models"].as_array().unwrap().len() <= 64);
}
