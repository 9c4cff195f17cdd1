//! Callers that do not read what they asked for.

use std::io::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use explaind::config::{Config, Limits};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{LIVE, Listening, connect, h2, listen, post, read_to_end, say, until_done};
use crate::support::service::patient;
use crate::support::{StoppedClock, until_async};

/// Many times what sockets hold.
fn large() -> String {
    let long = vec!["good and bad ".repeat(40); 2];
    let all = json!({"layers": "all", "heads": "all"});
    json!({"inputs": long, "truncate": true, "methods": [], "attention": all}).to_string()
}

async fn unhurried() -> Listening {
    let limits = Limits { idle_ms: 3_600_000, ..patient().limits };
    listen(Config { limits, ..patient() }).await
}

async fn unsent_bytes(running: &Listening) -> usize {
    let text = say(running.address, LIVE.replace("livez", "metrics")).await;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("explaind_unsent_response_bytes "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_reads_nothing_is_disconnected() {
    let running = unhurried().await;
    let clock = StoppedClock::new();
    let address = running.address;
    let mut stream = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(post(&large()).as_bytes()).unwrap();
        stream
    })
    .await
    .unwrap();
    let more_than_metrics = 1 << 20;
    until_async(async || unsent_bytes(&running).await > more_than_metrics).await;
    let start = Instant::now();
    until_async(async || {
        clock.advance(Duration::from_millis(100)).await;
        unsent_bytes(&running).await < more_than_metrics
    })
    .await;
    let after = start.elapsed();
    assert!(after > Duration::from_secs(30), "it had the time that it has: {after:?}");
    assert!(after < Duration::from_secs(3_000), "it was not because it was idle");
    let read = spawn_blocking(move || read_to_end(&mut stream)).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200 ") && !read.ends_with('}'), "it broke off");
}

#[tokio::test]
async fn nor_may_a_stream_hide_behind_others() {
    let running = unhurried().await;
    let clock = StoppedClock::new();
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
    assert!(answered >= 30, "others were answered meanwhile: {answered}");
    until_done(&clock, &ended).await;
    assert!(start.elapsed() < Duration::from_secs(3_000), "it was not because it was idle");
}

/// Read at leisure, but faster than it must be.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_gets_all_of_it() {
    let running = unhurried().await;
    let answer = say(running.address, post(&large())).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
}
