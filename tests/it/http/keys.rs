//! Keys of those who may ask, and what browsers are told.

use std::fs;

use explaind::config::keys::{NamedKey, digest};
use explaind::config::{AdminKey, Config, Server};
use serde_json::json;

use super::GREAT;
use crate::support::service::{self, Running, patient};
use crate::support::until_async;

const KEY: &str = "a-key-of-some-length";
const ADMIN: &str = "an-admin-key-of-some-length";

fn key(name: &str, secret: &str) -> NamedKey {
    format!("{name}:{}", digest(secret)).try_into().unwrap()
}

async fn serving(server: Server) -> Running {
    service::start_with(&Config { server, ..patient() }).await
}

async fn status(service: &Running, path: &str, key: Option<&str>) -> u16 {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> =
        bearer.iter().map(|value| ("authorization", value.as_str())).collect();
    let (method, body) = match path {
        "/explain" | "/predict" | "/estimate" | "/explain/compare" => {
            ("POST", json!({"inputs": GREAT, "methods": ["saliency"]}).to_string())
        }
        _ => ("GET", String::new()),
    };
    let body = if path == "/predict" { json!({"inputs": GREAT}).to_string() } else { body };
    service.request(method, path, &headers, body).await.status.as_u16()
}

#[tokio::test]
async fn work_needs_a_key_and_health_does_not() {
    let admin_key = Some(AdminKey::new(ADMIN).unwrap());
    let keys = vec![key("app", KEY), key("batch", "another-key-of-some-length")];
    let service = serving(Server { keys, admin_key, ..Server::default() }).await;
    for path in ["/explain", "/explain/compare", "/predict", "/estimate", "/models", "/methods"] {
        assert_eq!(status(&service, path, None).await, 401, "{path}");
        assert_eq!(status(&service, path, Some("a-key-of-some-lengtj")).await, 401, "{path}");
        for known in [KEY, "another-key-of-some-length", ADMIN] {
            assert_eq!(status(&service, path, Some(known)).await, 200, "{path}");
        }
    }
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(status(&service, path, None).await, 200, "{path}");
    }
    let refused = service.post("/explain", json!({"inputs": GREAT})).await;
    refused.problem(401, "unauthorized");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    // What is not there is not told apart from what is.
    assert_eq!(status(&service, "/nowhere", None).await, 401);
    // A key to ask is none to change models.
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    service
        .request("DELETE", "/models/sentiment-en", &headers, "")
        .await
        .problem(401, "unauthorized");
}

#[tokio::test]
async fn a_file_of_keys_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, format!("app:{}\n", digest(KEY))).unwrap();
    let server = Server { keys_file: Some(path.clone()), ..Server::default() };
    let service = serving(server).await;
    let with = async |key| status(&service, "/models", Some(key)).await;
    assert_eq!((with(KEY).await, with("the-new-key-of-today").await), (200, 401));
    fs::write(&path, format!("app:{}\n", digest("the-new-key-of-today"))).unwrap();
    let renewed = async || (with(KEY).await, with("the-new-key-of-today").await) == (401, 200);
    until_async(renewed).await;
    // A file that is broken leaves the keys as they were.
    fs::write(&path, "app:plain-text").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(with("the-new-key-of-today").await, 200);
}

#[tokio::test]
async fn browsers_are_told_to_keep_out_unless_invited() {
    let service = service::start().await;
    let reply = service.get("/models/sentiment-en").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.headers[name], value);
    }
    let ask = async |service: &Running, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let reply = service.request("OPTIONS", "/explain", &headers, "").await;
        reply.headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(ask(&service, "https://example.org").await, None);
    let cors_origins = vec!["https://example.org".to_owned()];
    let invited = serving(Server { cors_origins, ..Server::default() }).await;
    assert_eq!(ask(&invited, "https://example.org").await.as_deref(), Some("https://example.org"));
    assert_eq!(ask(&invited, "https://example.com").await, None);
}
