//! API keys, security headers and CORS.

use std::fs;
use std::time::Duration;

use explaind::config::keys::{NamedKey, digest};
use explaind::config::{AdminKey, Config, Server};
use serde_json::json;

use super::GREAT;
use crate::support::PausedClock;
use crate::support::service::{self, Running, untimed};

const KEY: &str = "a-key-of-some-length";
const ADMIN: &str = "an-admin-key-of-some-length";

fn key(name: &str, secret: &str) -> NamedKey {
    format!("{name}:{}", digest(secret)).try_into().unwrap()
}

async fn serving(server: Server) -> Running {
    service::start_with(&Config { server, ..untimed() }).await
}

async fn status(service: &Running, path: &str, key: Option<&str>) -> u16 {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> =
        bearer.iter().map(|value| ("authorization", value.as_str())).collect();
    let (method, body) = match path {
        "/explain" | "/predict" | "/estimate" | "/explain/compare" | "/rules"
        | "/counterfactuals" | "/probe" => {
            ("POST", json!({"inputs": GREAT, "methods": ["saliency"]}).to_string())
        }
        _ => ("GET", String::new()),
    };
    let body = match path {
        "/predict" | "/rules" | "/counterfactuals" | "/probe" => {
            json!({"inputs": GREAT}).to_string()
        }
        _ => body,
    };
    service.request(method, path, &headers, body).await.status.as_u16()
}

#[tokio::test]
async fn api_routes_need_a_key_and_health_routes_do_not() {
    let admin_key = Some(AdminKey::new(ADMIN).unwrap());
    let keys = vec![key("app", KEY), key("batch", "another-key-of-some-length")];
    let service = serving(Server { keys, admin_key, ..Server::default() }).await;
    for path in [
        "/explain",
        "/explain/compare",
        "/predict",
        "/estimate",
        "/rules",
        "/counterfactuals",
        "/probe",
        "/models",
        "/methods",
    ] {
        assert_eq!(status(&service, path, None).await, 401, "{path}");
        assert_eq!(status(&service, path, Some("a-key-of-some-lengtj")).await, 401, "{path}");
        for valid in [KEY, "another-key-of-some-length", ADMIN] {
            assert_eq!(status(&service, path, Some(valid)).await, 200, "{path}");
        }
    }
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(status(&service, path, None).await, 200, "{path}");
    }
    let reply = service.post("/explain", json!({"inputs": GREAT})).await;
    reply.problem(401, "unauthorized");
    assert_eq!(reply.headers["www-authenticate"], "Bearer");
    // Without a key, unknown routes look like existing ones.
    assert_eq!(status(&service, "/nowhere", None).await, 401);
    // An API key does not permit changes of models.
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    service
        .request("DELETE", "/models/sentiment-en", &headers, "")
        .await
        .problem(401, "unauthorized");
}

#[tokio::test]
async fn changes_of_the_keys_file_take_effect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let write = |secret: &str| fs::write(&path, format!("app:{}\n", digest(secret))).unwrap();
    write(KEY);
    let server = Server { keys_file: Some(path.clone()), ..Server::default() };
    let service = serving(server).await;
    let clock = PausedClock::new();
    let new = "the-new-key-of-today";
    let statuses = async || {
        clock.advance(Duration::from_secs(1)).await;
        let [old, new] = [KEY, new].map(|key| status(&service, "/models", Some(key)));
        (old.await, new.await)
    };
    assert_eq!(statuses().await, (200, 401));
    write(new);
    assert_eq!(statuses().await, (401, 200));
    // A malformed file is ignored: it may be incompletely written.
    fs::write(&path, "app:plain-text").unwrap();
    assert_eq!(statuses().await, (401, 200));
    // If the file is missing, none of its keys is valid.
    fs::remove_file(&path).unwrap();
    assert_eq!(statuses().await, (401, 401));
    let metrics = || async { String::from_utf8(service.get("/metrics").await.body).unwrap() };
    assert!(metrics().await.contains("explaind_keys_file_failed 1"));
    fs::create_dir(&path).unwrap();
    assert_eq!(statuses().await, (401, 401));
    fs::remove_dir(&path).unwrap();
    write(new);
    assert_eq!(statuses().await, (401, 200));
    assert!(metrics().await.contains("explaind_keys_file_failed 0"));
}

#[tokio::test]
async fn browsers_have_access_only_from_configured_origins() {
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
    let cors = serving(Server { cors_origins, ..Server::default() }).await;
    assert_eq!(ask(&cors, "https://example.org").await.as_deref(), Some("https://example.org"));
    assert_eq!(ask(&cors, "https://example.com").await, None);
}
