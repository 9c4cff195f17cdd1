//! Clients that do not read their responses.

use std::io::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use explaind::config::{Config, Limits};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{LIVE, Listening, connect, exchange, h2, listen, post, read_to_end, until_done};
use crate::support::service::untimed;
use crate::support::{PausedClock, wait_until_async};

/// A request whose response is much larger than socket buffers.
fn large() -> String {
    let long = vec!["good and bad ".repeat(40); 2];
    let all = json!({"layers": "all", "heads": "all"});
    json!({"inputs": long, "truncate": true, "methods": [], "attention": all}).to_string()
}

async fn listen_without_idle_timeout() -> Listening {
    let limits = Limits { idle_ms: 3_600_000, ..untimed().limits };
    listen(Config { limits, ..untimed() }).await
}

async fn unsent_bytes(running: &Listening) -> usize {
    let text = exchange(running.address, LIVE.replace("livez", "metrics")).await;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("explaind_unsent_response_bytes "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn clients_that_do_not_read_are_disconnected() {
    let running = listen_without_idle_timeout().await;
    let clock = PausedClock::new();
    let address = running.address;
    let mut stream = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(post(&large()).as_bytes()).unwrap();
        stream
    })
    .await
    .unwrap();
    let more_than_metrics = 1 << 20;
    wait_until_async(async || unsent_bytes(&running).await > more_than_metrics).await;
    let start = Instant::now();
    wait_until_async(async || {
        clock.advance(Duration::from_millis(100)).await;
        unsent_bytes(&running).await < more_than_metrics
    })
    .await;
    let elapsed = start.elapsed();
    assert!(elapsed > Duration::from_secs(30), "disconnected too early: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(3_000), "disconnected by the idle timeout");
    let read = spawn_blocking(move || read_to_end(&mut stream)).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200 ") && !read.ends_with('}'), "complete response");
}

#[tokio::test]
async fn an_unread_stream_closes_a_connection_with_active_streams() {
    let running = listen_without_idle_timeout().await;
    let clock = PausedClock::new();
    let (mut client, connection) = h2(running.address).await;
    let ended = tokio::spawn(connection);
    let request =
        Request::post("http://localhost/explain").header("content-type", "application/json");
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from(large()), true).unwrap();
    let unread = response.await.unwrap();
    assert_eq!(unread.status(), 200);
    let start = Instant::now();
    let mut answered = 0_usize;
    while !ended.is_finished() {
        clock.advance(Duration::from_secs(1)).await;
        let live = Request::get("http://localhost/livez").body(()).unwrap();
        let Ok((response, _)) = client.send_request(live, true) else { break };
        answered += usize::from(response.await.is_ok());
    }
    assert!(answered >= 30, "too few other responses: {answered}");
    until_done(&clock, &ended).await;
    assert!(start.elapsed() < Duration::from_secs(3_000), "disconnected by the idle timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_read_get_the_complete_response() {
    let running = listen_without_idle_timeout().await;
    let answer = exchange(running.address, post(&large())).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
}
