//! How long a connection may say nothing, or too little.

use std::io::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use explaind::config::{Config, Limits};
use h2::{Ping, Reason};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{ALIVE, ALIVE_SEEN, connect, h2, listen, open, until_closed, until_done};
use crate::support::service::patient;
use crate::support::{Held, StoppedClock};

const HALF_A_HEAD: &str = "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-";
const HALF_A_BODY: &str = "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                           application/json\r\nContent-Length: 90\r\nExpect: \
                           100-continue\r\n\r\n{\"inputs\": ";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// Every time is an hour, but for one.
fn hours() -> Limits {
    Limits { idle_ms: 3_600_000, head_ms: 3_600_000, request_ms: 3_600_000, ..Limits::default() }
}

/// Whether what happened since `start` was not because of one of the hours.
fn soon(start: Instant) -> bool {
    start.elapsed() < Duration::from_secs(3_000)
}

#[tokio::test]
async fn a_head_that_does_not_end_is_told_so() {
    let limits = Limits { head_ms: 400, ..hours() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
    let start = Instant::now();
    let half = until_closed(&clock, open(running.address, HALF_A_HEAD, "").await).await;
    assert!(half.starts_with("HTTP/1.1 408 ") && half.contains("\"request_timeout\""), "{half}");
    assert!(half.contains("connection: close"), "{half}");
    // Its first byte counts, not its last.
    let address = running.address;
    let trickle = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(HALF_A_HEAD.as_bytes()).unwrap();
        while stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    until_done(&clock, &trickle).await;
    assert!(soon(start), "it was not the idle time");
}

#[tokio::test]
async fn silence_ends_at_the_idle_time() {
    let limits = Limits { idle_ms: 400, ..hours() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
    let start = Instant::now();
    assert_eq!(until_closed(&clock, open(running.address, "", "").await).await, "");
    let idle = open(running.address, ALIVE, ALIVE_SEEN).await;
    let idle = until_closed(&clock, idle).await;
    assert!(idle.starts_with("HTTP/1.1 200 ") && idle.ends_with(ALIVE_SEEN), "{idle}");
    assert!(soon(start), "it was closed because it was idle");
}

#[tokio::test]
async fn half_a_body_is_not_waited_for_for_ever() {
    let limits = Limits { request_ms: 1_000, ..hours() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
    // The head has been read when it says to go on.
    let half = open(running.address, HALF_A_BODY, CONTINUE).await;
    let half = until_closed(&clock, half).await;
    let half = half.trim_start_matches(CONTINUE);
    assert!(half.starts_with("HTTP/1.1 408 ") && half.contains("request_timeout"), "{half}");
}

#[tokio::test]
async fn pings_do_not_keep_an_idle_connection() {
    let limits = Limits { idle_ms: 400, ..hours() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
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
    // A GOAWAY without an error: whoever closes without one is no server of HTTP/2.
    let gone = ended.await.unwrap();
    assert!(gone.is_ok() || gone.is_err_and(|error| error.reason() == Some(Reason::NO_ERROR)));
    assert!(client.ready().await.is_err(), "no more can be asked");
    assert!(pinging.await.unwrap() > 0, "its pings were answered");
    assert!(soon(start));
}

#[tokio::test]
async fn a_stream_at_work_keeps_its_connection() {
    let limits = Limits { idle_ms: 400, head_ms: 400, ..hours() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
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
