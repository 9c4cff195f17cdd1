//! The limit on the total size of unsent responses.

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::{Config, Limits};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::service::{Running, start_with, untimed};

/// A request whose response has several hundred kilobytes of JSON.
fn large() -> Value {
    let long = "good and bad ".repeat(40);
    let attention = json!({"layers": [0], "heads": [0, 1, 2]});
    json!({"inputs": long, "truncate": true, "methods": [], "attention": attention})
}

fn ask(accept: &str, encoding: &str) -> Request<Body> {
    Request::post("/explain")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .header(header::ACCEPT_ENCODING, encoding)
        .body(Body::from(large().to_string()))
        .unwrap()
}

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

async fn start_with_one_mebibyte() -> Running {
    let limits =
        Limits { response_mebibytes_total: 1, response_bytes: 1 << 20, ..untimed().limits };
    start_with(&Config { limits, ..untimed() }).await
}

async fn unsent_bytes(service: &Running) -> usize {
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("explaind_unsent_response_bytes "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn unsent_responses_are_counted_and_limited() {
    let service = start_with_one_mebibyte().await;
    let unread = service.answer(ask(JSON, "identity")).await;
    assert_eq!(unread.status(), 200);
    let length: usize = unread.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    assert!(length > 1 << 19 && length < 1 << 20, "one fits, two do not: {length}");
    let counted = unsent_bytes(&service).await;
    assert!((length..length + (1 << 17)).contains(&counted), "{counted} of {length}");
    let reply = service.send(ask(JSON, "identity")).await;
    let problem = reply.problem(503, "responses_unsent");
    assert_eq!(reply.headers[header::RETRY_AFTER], "2", "{problem}");
    // A stream has already begun: the error replaces the result that does not fit.
    let lines = service.send(ask(LINES, "identity")).await;
    assert_eq!(lines.status, 200);
    let lines = String::from_utf8(lines.body).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [refused, end] = &lines[..] else { panic!("a result and the end: {lines:?}") };
    assert_eq!(refused["error"]["code"], "responses_unsent");
    assert!(end["usage"].is_object(), "{end}");
    assert_eq!(service.get("/livez").await.status, 200, "a full service is live");
    let read = unread.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(read.len(), length);
    serde_json::from_slice::<Value>(&read).unwrap();
    drop(read);
    assert_eq!(service.send(ask(JSON, "identity")).await.status, 200, "there is room again");
}

#[tokio::test]
async fn memory_is_released_per_chunk_and_when_a_caller_disconnects() {
    let service = start_with_one_mebibyte().await;
    for (accept, encoding) in [(JSON, "identity"), (LINES, "identity"), (JSON, "gzip")] {
        let before = unsent_bytes(&service).await;
        let mut body = service.answer(ask(accept, encoding)).await.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let with_first = unsent_bytes(&service).await;
        assert!(with_first > before + (1 << 18), "{accept}, {encoding}: {with_first}");
        drop(first);
        let mut second = Some(body.frame().await.unwrap().unwrap().into_data().unwrap());
        let mut count = 2;
        while let Some(Ok(frame)) = body.frame().await {
            second = frame.into_data().ok();
            count += 1;
        }
        assert!(count > 3, "{accept}, {encoding}: the body has several chunks");
        drop((body, second));
        assert_eq!(unsent_bytes(&service).await, before, "{accept}, {encoding}: all was read");
        drop(service.answer(ask(accept, encoding)).await);
        crate::support::wait_until_async(async || unsent_bytes(&service).await == before).await;
    }
}
