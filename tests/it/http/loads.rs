//! Model loads that hang.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::models::{ask, config, settled};
use crate::support::service::{Running, start_with};
use crate::support::{Held, PATIENCE, PausedClock, golden_folder};

/// Copies a small model and renames `[CLS]` to `piece`, so that holding passes with `piece` holds
/// the load at its first pass.
fn folder_with(piece: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden_folder("bert-tiny")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let file = folder.path().join(name);
        let text = fs::read_to_string(&file).unwrap().replace("[CLS]", piece);
        fs::write(file, text).unwrap();
    }
    folder
}

fn source(folder: &Path) -> Value {
    json!({ "source": folder })
}

/// Starts a service with two hanging loads, the maximum number of concurrent loads.
async fn loading(folders: &[TempDir; 2], held: &[Held; 2]) -> Running {
    let service =
        start_with(&config(&[("first", golden_folder("bert-tiny").to_str().unwrap())])).await;
    for (id, (folder, held)) in ["x", "y"].iter().zip(folders.iter().zip(held)) {
        let reply = service.put(&format!("/models/{id}"), source(folder.path())).await;
        assert_eq!(reply.status, 202);
        held.reached().await;
    }
    service
}

async fn assert_loads(service: &Running, id: &str) {
    let reply = service.put(&format!("/models/{id}"), source(&golden_folder("bert-nli"))).await;
    assert_eq!(reply.status, 202);
    assert_eq!(settled(service, id).await["state"], "ready");
}

#[tokio::test]
async fn a_cancelled_load_does_not_block_others() {
    let pieces = ["[HELD-TO-BE-CANCELLED-1]", "[HELD-TO-BE-CANCELLED-2]"];
    let (folders, held) = (pieces.map(folder_with), pieces.map(|piece| Held::after(0, piece)));
    let service = loading(&folders, &held).await;
    let reply = service.post("/explain", ask("x")).await;
    reply.problem(503, "not_ready");
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(service.get("/models/x").await.json()["state"], "loading");
    assert_eq!(service.put("/models/x", source(folders[0].path())).await.status, 202);
    let other = source(&golden_folder("bert-nli"));
    service.put("/models/x", other).await.problem(409, "model_loading");
    service.explain(ask("first")).await;
    // Another load of the same source waits for it and is cancelled too.
    assert_eq!(service.put("/models/z", source(folders[0].path())).await.status, 202);
    for id in ["z", "x", "y"] {
        assert_eq!(service.delete(&format!("/models/{id}")).await.status, 204);
    }
    service.get("/models/x").await.problem(404, "model_not_found");
    assert_loads(&service, "x").await;
}

#[tokio::test]
async fn a_load_has_a_time_limit() {
    let pieces = ["[HELD-TO-BE-LATE-1]", "[HELD-TO-BE-LATE-2]"];
    let (folders, held) = (pieces.map(folder_with), pieces.map(|piece| Held::after(0, piece)));
    let clock = PausedClock::new();
    let service = loading(&folders, &held).await;
    clock.advance(Duration::from_secs(3_599)).await;
    assert_eq!(service.get("/models/x").await.json()["state"], "loading");
    clock.advance(Duration::from_secs(1)).await;
    for id in ["x", "y"] {
        let model = settled(&service, id).await;
        assert_eq!(model["problem"]["code"], "deadline_exceeded", "{model}");
        assert!(model["problem"]["detail"].as_str().unwrap().contains("limits.load_ms"), "{model}");
    }
    assert_loads(&service, "x").await;
}

#[tokio::test]
async fn the_service_stops_during_a_load() {
    let piece = "[HELD-UNTIL-THE-END]";
    let (folder, held) = (folder_with(piece), Held::after(0, piece));
    let config = config(&[("x", folder.path().to_str().unwrap())]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_reload, reload) = tokio::sync::mpsc::channel(1);
    let signals = explaind::app::Signals { stop: held.reached(), reload };
    let run = explaind::app::run(config, listener, |_| panic!("ready without a model"), signals);
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_pipe_instead_of_a_file_is_rejected() {
    let service =
        start_with(&config(&[("first", golden_folder("bert-tiny").to_str().unwrap())])).await;
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        let folder = folder_with("[CLS]");
        let file = folder.path().join(name);
        fs::remove_file(&file).unwrap();
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert_eq!(service.put("/models/x", source(folder.path())).await.status, 202);
        let detail = settled(&service, "x").await["problem"]["detail"].to_string();
        assert!(detail.contains(name) && detail.contains("not a regular file"), "{detail}");
    }
}
