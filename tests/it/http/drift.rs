//! Model files that change after loading.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::models::{ask, config, settled};
use crate::support::service::start_with;
use crate::support::{golden_folder, wait_until};

#[tokio::test]
async fn changed_and_missing_files_are_reported_and_can_be_reloaded() {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(golden_folder("bert-tiny")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let service = start_with(&config(&[("first", folder.path().to_str().unwrap())])).await;
    let pool = Arc::clone(&service.service.explainer.pool);
    let watch = tokio::spawn(Arc::clone(&pool).watch(Duration::from_millis(20)));
    let drift = async || service.get("/models/first").await.json()["drift"].clone();
    let before = service.get("/models/first").await.json()["revision"].clone();
    assert_eq!(drift().await, Value::Null);
    let file = folder.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"LABEL_0\"", "\"OTHER\"") + "\n";
    fs::write(&file, &text).unwrap();
    wait_until(|| pool.status("first").unwrap().drift.is_some()).await;
    assert!(drift().await.as_str().unwrap().contains("changed"));
    assert_eq!(service.get("/readyz").await.json()["drifted"], json!(["first"]));
    let metrics = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("explaind_models_drifted"), "{metrics}");
    // The loaded model stays in use; PUT loads the current files.
    service.explain(ask("first")).await;
    let put = service.put("/models/first", json!({"source": folder.path()})).await;
    assert_eq!(put.status, 202);
    let model = settled(&service, "first").await;
    assert_ne!(model["revision"], before);
    assert_eq!(model["drift"], Value::Null);
    fs::remove_file(&file).unwrap();
    wait_until(|| pool.status("first").unwrap().drift.is_some()).await;
    assert_eq!(drift().await, "config.json cannot be read any more");
    service.explain(ask("first")).await;
    watch.abort();
}
