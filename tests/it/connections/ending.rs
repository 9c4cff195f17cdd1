//! The way out: what is in flight, what is half there, and who comes late.

use std::io::Write;
use std::net::TcpStream;

use explaind::config::{Config, Limits};
use tokio::task::spawn_blocking;

use super::{
    ALIVE, ALIVE_SEEN, LIVE, Listening, listen, open, post, read_to_end, read_until, say,
    until_done,
};
use crate::support::service::patient;
use crate::support::{Held, PATIENCE, StoppedClock};

/// As the application does after the first signal; completes when it is seen.
async fn drain(running: &mut Listening) {
    running.service.drain();
    running.stop.take().unwrap().send(()).unwrap();
    (&mut running.ending).await.unwrap();
}

/// No bound on silence is reached while a test runs.
fn unhurried() -> Config {
    let limits = Limits { idle_ms: 3_600_000, head_ms: 3_600_000, ..patient().limits };
    Config { limits, ..patient() }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_flight_is_answered_and_who_comes_later_is_told() {
    let mut running = listen(patient()).await;
    let held = Held::after(0, "ocean");
    let slow = serde_json::json!({"inputs": "an ocean of time"}).to_string();
    let in_flight = tokio::spawn(say(running.address, post(&slow)));
    held.reached().await;
    drain(&mut running).await;
    let late = say(running.address, post(r#"{"inputs": "good"}"#)).await;
    assert!(late.starts_with("HTTP/1.1 503 "), "{late}");
    assert!(late.contains("connection: close") && late.contains("\"draining\""), "{late}");
    let live = say(running.address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 ") && live.contains("connection: close"), "{live}");
    assert!(!in_flight.is_finished(), "it is still at work");
    held.open();
    let answer = in_flight.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
    assert!(answer.contains("content-length: "), "its length is known: {answer}");
    running.serving.await.unwrap();
    assert!(TcpStream::connect(running.address).is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut running = listen(unhurried()).await;
    let idle = open(running.address, ALIVE, ALIVE_SEEN).await;
    drain(&mut running).await;
    tokio::time::timeout(PATIENCE, running.serving).await.unwrap().unwrap();
    assert!(idle.await.unwrap().ends_with(ALIVE_SEEN), "it was closed without another word");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_does_not_hold_up_the_end() {
    let mut running = listen(unhurried()).await;
    // Another request on the connection shows that the half was read behind it.
    let half = format!("{ALIVE}POST /explain HTTP/1.1\r\nHost");
    let half = open(running.address, half.leak(), ALIVE_SEEN).await;
    let fresh = open(running.address, "POST /expl", "").await;
    drain(&mut running).await;
    tokio::time::timeout(PATIENCE, running.serving).await.unwrap().unwrap();
    half.await.unwrap();
    fresh.await.unwrap();
}

#[tokio::test]
async fn half_a_head_is_told_why() {
    let mut running = listen(unhurried()).await;
    let _clock = StoppedClock::new();
    let (told, seen) = tokio::sync::oneshot::channel();
    let address = running.address;
    let client = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(ALIVE.as_bytes()).unwrap();
        read_until(&mut stream, ALIVE_SEEN);
        stream.write_all(b"POST /explain HTTP/1.1\r\nHost").unwrap();
        told.send(()).unwrap();
        read_to_end(&mut stream)
    });
    seen.await.unwrap();
    // One that was accepted later has been answered: the half has been read.
    say(running.address, LIVE).await;
    drain(&mut running).await;
    let told = client.await.unwrap();
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("\"draining\""), "{told}");
    assert!(told.contains("connection: close"), "{told}");
    running.serving.await.unwrap();
}

/// The clock stands: however slow the machine, a new connection has its moment.
#[tokio::test]
async fn who_was_let_in_at_the_last_moment_is_answered() {
    let mut running = listen(unhurried()).await;
    let clock = StoppedClock::new();
    let connect = |address| spawn_blocking(move || TcpStream::connect(address).unwrap());
    let silent = connect(running.address).await.unwrap();
    let mut early = connect(running.address).await.unwrap();
    // Answered later than those were accepted.
    say(running.address, LIVE).await;
    drain(&mut running).await;
    let late = say(running.address, post(r#"{"inputs": "good"}"#)).await;
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("connection: close"), "{late}");
    let early = spawn_blocking(move || {
        early.write_all(post(r#"{"inputs": "good"}"#).as_bytes()).unwrap();
        read_to_end(&mut early)
    });
    let early = early.await.unwrap();
    assert!(early.starts_with("HTTP/1.1 503 ") && early.contains("connection: close"), "{early}");
    assert!(!running.serving.is_finished(), "a silent one may still send its first");
    until_done(&clock, &running.serving).await;
    drop(silent);
}
