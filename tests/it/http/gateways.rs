//! HTTP conformance: ETags, OPTIONS, CORS, HEAD and problem pages.

use axum::http::header;
use explaind::config::{Config, Server};
use explaind::error::Code;
use serde_json::Value;

use crate::support::service::{Reply, Running, start, start_with, untimed};

async fn send(service: &Running, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    service.request(method, path, headers, "").await
}

fn value<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Returns the elements of a comma-separated list, also in several header fields.
fn list(reply: &Reply, name: &str) -> Vec<String> {
    let values = reply.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    let elements = values.flat_map(|value| value.split(','));
    elements.map(|element| element.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn unchanged_resources_are_not_sent_again() {
    let service = start().await;
    for path in ["/openapi.json", "/methods", "/models"] {
        let whole = send(&service, "GET", path, &[]).await;
        let tag = value(&whole, "etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{path}: {tag}");
        assert!(list(&whole, "vary").contains(&"accept-encoding".to_owned()), "{path}");
        assert_eq!(value(&whole, "cache-control"), "private, no-cache");
        let zipped = [("accept-encoding", "gzip")];
        let zipped_tag = value(&send(&service, "GET", path, &zipped).await, "etag").to_owned();
        assert_ne!(tag, zipped_tag, "a strong ETag depends on the encoding");
        for known in [&tag, &format!("W/{tag}"), &format!("\"a\", {tag}"), "*"] {
            for method in ["GET", "HEAD"] {
                let same = send(&service, method, path, &[("if-none-match", known)]).await;
                assert_eq!(same.status, 304, "{path} {known}");
                assert!(same.body.is_empty());
                assert_eq!(value(&same, "etag"), tag);
                assert!(list(&same, "vary").contains(&"accept-encoding".to_owned()), "{path}");
                assert!(!same.headers.contains_key(header::CONTENT_TYPE));
            }
        }
        let zipped = [("accept-encoding", "gzip"), ("if-none-match", zipped_tag.as_str())];
        assert_eq!(send(&service, "GET", path, &zipped).await.status, 304, "{path}");
        for other in ["\"a\"", &zipped_tag, tag.trim_matches('"')] {
            let whole = send(&service, "GET", path, &[("if-none-match", other)]).await;
            assert_eq!(whole.status, 200, "{path} {other}");
        }
    }
    let before = send(&service, "GET", "/models", &[]).await;
    service.delete("/models/sentiment-zh").await;
    let after = [("if-none-match", value(&before, "etag"))];
    assert_eq!(send(&service, "GET", "/models", &after).await.status, 200, "the list has changed");
}

#[tokio::test]
async fn options_returns_the_allowed_methods() {
    for service in [start().await, start_with_cors().await] {
        for (path, methods) in [
            ("/explain", "POST, OPTIONS"),
            ("/models/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
            ("/problems", "GET, HEAD, OPTIONS"),
        ] {
            let reply = send(&service, "OPTIONS", path, &[]).await;
            assert_eq!((reply.status.as_u16(), value(&reply, "allow")), (204, methods), "{path}");
            assert!(reply.body.is_empty());
        }
        for headers in [&[][..], &PREFLIGHT] {
            send(&service, "OPTIONS", "/nowhere", headers).await.problem(404, "not_found");
        }
    }
}

const ORIGIN: (&str, &str) = ("origin", "https://example.org");
const PREFLIGHT: [(&str, &str); 2] = [ORIGIN, ("access-control-request-method", "PUT")];

async fn start_with_cors() -> Running {
    let cors_origins = vec![ORIGIN.1.to_owned()];
    let key = explaind::config::keys::digest("a-key-of-some-length");
    let keys = vec![format!("app:{key}").try_into().unwrap()];
    let server = Server { cors_origins, keys, ..Server::default() };
    start_with(&Config { server, ..untimed() }).await
}

#[tokio::test]
async fn cors_allows_all_request_headers_and_exposes_all_response_headers() {
    let service = start_with_cors().await;
    let reply = send(&service, "OPTIONS", "/models/a", &PREFLIGHT).await;
    assert_eq!(reply.status, 204, "a preflight request has no key");
    assert_eq!(value(&reply, "access-control-allow-origin"), ORIGIN.1);
    let methods = list(&reply, "access-control-allow-methods");
    assert_eq!(methods, ["get", "head", "post", "put", "delete"]);
    let allowed = list(&reply, "access-control-allow-headers");
    for name in [
        "accept",
        "authorization",
        "content-encoding",
        "content-type",
        "if-none-match",
        "traceparent",
        "tracestate",
        "x-request-id",
        "x-request-timeout",
    ] {
        assert!(allowed.contains(&name.to_owned()), "{name}");
    }
    let key = ("authorization", "Bearer a-key-of-some-length");
    let body = r#"{"inputs": "A great movie."}"#;
    let answers = [
        service.request("POST", "/explain", &[ORIGIN, key], body).await,
        service.request("POST", "/explain", &[ORIGIN], body).await,
        send(&service, "GET", "/explain", &[ORIGIN, key]).await,
        send(&service, "GET", "/models", &[ORIGIN, key]).await,
    ];
    for reply in answers {
        assert_eq!(value(&reply, "access-control-allow-origin"), ORIGIN.1);
        let exposed = list(&reply, "access-control-expose-headers");
        for name in reply.headers.keys().map(|name| name.as_str()) {
            assert!(
                SAFELISTED.contains(&name) || exposed.contains(&name.to_owned()),
                "scripts cannot read {name}"
            );
        }
        assert!(["retry-after", "cache-status"].iter().all(|n| exposed.contains(&(*n).to_owned())));
    }
}

/// Headers that every script may read (CORS-safelisted, Fetch standard), or that only browsers use.
const SAFELISTED: [&str; 10] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-length",
    "content-type",
    "cross-origin-resource-policy",
    "referrer-policy",
    "server",
    "vary",
    "x-content-type-options",
];

#[tokio::test]
async fn head_is_get_without_a_body() {
    let service = start().await;
    for path in [
        "/livez",
        "/readyz",
        "/models",
        "/models/sentiment-en",
        "/methods",
        "/openapi.json",
        "/problems",
        "/problems/internal",
        "/models/none",
        "/nowhere",
    ] {
        let get = send(&service, "GET", path, &[]).await;
        let head = send(&service, "HEAD", path, &[]).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        for name in ["content-type", "etag", "vary"] {
            assert_eq!(value(&head, name), value(&get, name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn the_type_of_a_problem_is_the_path_of_a_page() {
    let service = start_with_cors().await;
    let index = send(&service, "GET", "/problems", &[("accept", "application/json")]).await.json();
    let index = index["problems"].as_array().unwrap();
    assert_eq!(index.len(), Code::ALL.len());
    let all = send(&service, "GET", "/problems", &[("accept", "text/html")]).await;
    let all = String::from_utf8(all.body).unwrap();
    for entry in index {
        let path = entry["type"].as_str().unwrap();
        assert!(all.contains(&format!("href=\"{path}\"")), "{path}");
        let json = send(&service, "GET", path, &[("accept", "application/json")]).await;
        assert_eq!(&json.json(), entry);
        let page = send(&service, "GET", path, &[]).await;
        assert_eq!(value(&page, "content-type"), "text/html; charset=utf-8");
        assert!(value(&page, "content-security-policy").contains("default-src 'none'"));
        assert_eq!(value(&page, "vary").split(", ").next(), Some("accept"));
        let page = scraper::Html::parse_document(&String::from_utf8(page.body).unwrap());
        let text: String = page.root_element().text().collect();
        for part in ["title", "meaning", "when", "remedy", "code"] {
            assert!(text.contains(entry[part].as_str().unwrap()), "{path}: {part}");
        }
    }
    let png = send(&service, "GET", "/problems/internal", &[("accept", "image/png")]).await;
    png.problem(406, "not_acceptable");
    let unknown = send(&service, "GET", "/problems/none", &[]).await;
    // The type of an error response is the path of its page.
    let problem: Value = unknown.problem(404, "not_found");
    let page = send(&service, "GET", problem["type"].as_str().unwrap(), &[]).await;
    assert_eq!(page.status, 200);
}
