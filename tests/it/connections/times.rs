//! Timeouts of idle connections, incomplete heads and incomplete bodies.

use std::io::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use explaind::config::{Config, Limits};
use h2::{Ping, Reason};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{ALIVE, ALIVE_END, connect, h2, listen, open, until_closed, until_done};
use crate::support::service::untimed;
use crate::support::{Held, PausedClock};

const HALF_A_HEAD: &str = "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-";
const HALF_A_BODY: &str = "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                           application/json\r\nContent-Length: 90\r\nExpect: \
                           100-continue\r\n\r\n{\"inputs\": ";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// Limits with all timeouts of an hour; a test shortens one of them.
fn hours() -> Limits {
    Limits { idle_ms: 3_600_000, head_ms: 3_600_000, request_ms: 3_600_000, ..Limits::default() }
}

/// Whether less than the long timeouts has passed since `start`.
fn soon(start: Instant) -> bool {
    start.elapsed() < Duration::from_secs(3_000)
}

#[tokio::test]
async fn an_incomplete_head_times_out_with_a_408() {
    let limits = Limits { head_ms: 400, ..hours() };
    let running = listen(Config { limits, ..untimed() }).await;
    let clock = PausedClock::new();
    let start = Instant::now();
    let half = until_closed(&clock, open(running.address, HALF_A_HEAD, "").await).await;
    assert!(half.starts_with("HTTP/1.1 408 ") && half.contains("\"request_timeout\""), "{half}");
    assert!(half.contains("connection: close"), "{half}");
    // The timeout starts at the first byte, not at the last.
    let address = running.address;
    let trickle = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(HALF_A_HEAD.as_bytes()).unwrap();
        while stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    until_done(&clock, &trickle).await;
    assert!(soon(start), "closed by another timeout");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let limits = Limits { idle_ms: 400, ..hours() };
    let running = listen(Config { limits, ..untimed() }).await;
    let clock = PausedClock::new();
    let start = Instant::now();
    assert_eq!(until_closed(&clock, open(running.address, "", "").await).await, "");
    let idle = open(running.address, ALIVE, ALIVE_END).await;
    let idle = until_closed(&clock, idle).await;
    assert!(idle.starts_with("HTTP/1.1 200 ") && idle.ends_with(ALIVE_END), "{idle}");
    assert!(soon(start), "closed by another timeout");
}

#[tokio::test]
async fn an_incomplete_body_times_out_with_a_408() {
    let limits = Limits { request_ms: 1_000, ..hours() };
    let running = listen(Config { limits, ..untimed() }).await;
    let clock = PausedClock::new();
    // The 100 response shows that the head was read.
    let half = open(running.address, HALF_A_BODY, CONTINUE).await;
    let half = until_closed(&clock, half).await;
    let half = half.trim_start_matches(CONTINUE);
    assert!(half.starts_with("HTTP/1.1 408 ") && half.contains("request_timeout"), "{half}");
}

#[tokio::test]
async fn pings_do_not_keep_an_idle_connection_open() {
    let limits = Limits { idle_ms: 400, ..hours() };
    let running = listen(Config { limits, ..untimed() }).await;
    let clock = PausedClock::new();
    let start = Instant::now();
    let (client, mut connection) = h2(running.address).await;
    let mut pings = connection.ping_pong().unwrap();
    let pinging = tokio::spawn(async move {
        let mut count = 0;
        while pings.ping(Ping::opaque()).await.is_ok() {
            count += 1;
        }
        count
    });
    let ended = tokio::spawn(connection);
    until_done(&clock, &ended).await;
    // The server closes with a GOAWAY without an error.
    let closed = ended.await.unwrap();
    assert!(closed.is_ok() || closed.is_err_and(|error| error.reason() == Some(Reason::NO_ERROR)));
    assert!(client.ready().await.is_err(), "the connection is closed");
    assert!(pinging.await.unwrap() > 0, "its pings were answered");
    assert!(soon(start));
}

#[tokio::test]
async fn an_active_stream_keeps_its_connection_open() {
    let limits = Limits { idle_ms: 400, head_ms: 400, ..hours() };
    let running = listen(Config { limits, ..untimed() }).await;
    let clock = PausedClock::new();
    let held = Held::after(0, "mountain");
    let (mut client, connection) = h2(running.address).await;
    tokio::spawn(connection);
    let request =
        Request::post("http://localhost/explain").header("content-type", "application/json");
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from(r#"{"inputs": "a mountain"}"#), true).unwrap();
    held.reached().await;
    for _ in 0..20 {
        clock.advance(Duration::from_millis(400)).await;
    }
    held.open();
    assert_eq!(response.await.unwrap().status(), 200);
}
