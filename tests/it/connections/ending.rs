//! Graceful shutdown: requests in flight, incomplete requests and late connections.

use std::io::Write;
use std::net::TcpStream;

use explaind::config::{Config, Limits};
use tokio::task::spawn_blocking;

use super::{
    ALIVE, ALIVE_END, LIVE, Listening, exchange, listen, open, post, read_to_end, read_until,
    until_done,
};
use crate::support::service::untimed;
use crate::support::{Held, PATIENCE, PausedClock};

/// Drains like the application after the first signal. Returns when the signal was received.
async fn drain(running: &mut Listening) {
    running.service.drain();
    running.stop.take().unwrap().send(()).unwrap();
    (&mut running.ending).await.unwrap();
}

/// Returns a configuration without effective idle and head timeouts.
fn long_timeouts() -> Config {
    let limits = Limits { idle_ms: 3_600_000, head_ms: 3_600_000, ..untimed().limits };
    Config { limits, ..untimed() }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_finish_and_later_ones_are_rejected() {
    let mut running = listen(untimed()).await;
    let held = Held::after(0, "ocean");
    let slow = serde_json::json!({"inputs": "an ocean of time"}).to_string();
    let in_flight = tokio::spawn(exchange(running.address, post(&slow)));
    held.reached().await;
    drain(&mut running).await;
    let late = exchange(running.address, post(r#"{"inputs": "good"}"#)).await;
    assert!(late.starts_with("HTTP/1.1 503 "), "{late}");
    assert!(late.contains("connection: close") && late.contains("\"draining\""), "{late}");
    let live = exchange(running.address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 ") && live.contains("connection: close"), "{live}");
    assert!(!in_flight.is_finished(), "its pass is held");
    held.open();
    let answer = in_flight.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
    assert!(answer.contains("content-length: "), "not chunked: {answer}");
    running.serving.await.unwrap();
    assert!(TcpStream::connect(running.address).is_err(), "the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_delay_shutdown() {
    let mut running = listen(long_timeouts()).await;
    let idle = open(running.address, ALIVE, ALIVE_END).await;
    drain(&mut running).await;
    tokio::time::timeout(PATIENCE, running.serving).await.unwrap().unwrap();
    assert!(idle.await.unwrap().ends_with(ALIVE_END), "closed without more data");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_head_does_not_delay_shutdown() {
    let mut running = listen(long_timeouts()).await;
    // The response to the first request shows that the incomplete head behind it was read.
    let half = format!("{ALIVE}POST /explain HTTP/1.1\r\nHost");
    let half = open(running.address, half.leak(), ALIVE_END).await;
    let fresh = open(running.address, "POST /expl", "").await;
    drain(&mut running).await;
    tokio::time::timeout(PATIENCE, running.serving).await.unwrap().unwrap();
    half.await.unwrap();
    fresh.await.unwrap();
}

#[tokio::test]
async fn an_incomplete_head_gets_a_503_on_shutdown() {
    let mut running = listen(long_timeouts()).await;
    let _clock = PausedClock::new();
    let (sent, sending) = tokio::sync::oneshot::channel();
    let address = running.address;
    let client = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(ALIVE.as_bytes()).unwrap();
        read_until(&mut stream, ALIVE_END);
        stream.write_all(b"POST /explain HTTP/1.1\r\nHost").unwrap();
        sent.send(()).unwrap();
        read_to_end(&mut stream)
    });
    sending.await.unwrap();
    // The response to a later connection shows that the incomplete head was read.
    exchange(running.address, LIVE).await;
    drain(&mut running).await;
    let answer = client.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"draining\""), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    running.serving.await.unwrap();
}

/// The clock is paused, so that a slow machine does not close new connections.
#[tokio::test]
async fn connections_accepted_before_shutdown_get_a_response() {
    let mut running = listen(long_timeouts()).await;
    let clock = PausedClock::new();
    let connect = |address| spawn_blocking(move || TcpStream::connect(address).unwrap());
    let silent = connect(running.address).await.unwrap();
    let mut early = connect(running.address).await.unwrap();
    // The response to a later connection shows that those were accepted.
    exchange(running.address, LIVE).await;
    drain(&mut running).await;
    let late = exchange(running.address, post(r#"{"inputs": "good"}"#)).await;
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("connection: close"), "{late}");
    let early = spawn_blocking(move || {
        early.write_all(post(r#"{"inputs": "good"}"#).as_bytes()).unwrap();
        read_to_end(&mut early)
    });
    let early = early.await.unwrap();
    assert!(early.starts_with("HTTP/1.1 503 ") && early.contains("connection: close"), "{early}");
    assert!(!running.serving.is_finished(), "a silent connection may still send a request");
    until_done(&clock, &running.serving).await;
    drop(silent);
}
