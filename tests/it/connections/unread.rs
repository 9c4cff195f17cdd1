//! Error responses that are sent before the request body was read.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use explaind::config::keys::digest;
use explaind::config::{Config, Limits, Server};
use tokio::task::spawn_blocking;

use super::{ALIVE, ALIVE_END, Listening, connect, listen, read_to_end, read_until, until_done};
use crate::support::PausedClock;
use crate::support::service::untimed;

const MEBIBYTE: usize = 1 << 20;

async fn with_a_key() -> Listening {
    let key = format!("app:{}", digest("the-key-of-the-app")).try_into().unwrap();
    let server = Server { keys: vec![key], ..Server::default() };
    // These timeouts must not close the connections.
    let limits = Limits { idle_ms: 3_600_000, head_ms: 3_600_000, ..untimed().limits };
    listen(Config { server, limits, ..untimed() }).await
}

/// Returns pairs of a status and a request head that is rejected with it.
fn rejected() -> [(&'static str, &'static str); 4] {
    const KEY: &str = "Authorization: Bearer the-key-of-the-app\r\n";
    let with_key = |first: &str, kind: &str| -> &'static str {
        format!("{first} HTTP/1.1\r\nHost: localhost\r\n{KEY}Content-Type: {kind}\r\n").leak()
    };
    [
        ("413", with_key("POST /explain", "application/json")),
        ("415", with_key("POST /explain", "text/plain")),
        ("404", with_key("POST /nothing", "application/json")),
        ("401", "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"),
    ]
}

/// Sends the whole request before it reads the response, as simple clients do.
fn send(address: SocketAddr, head: &str, body: impl Iterator<Item = Vec<u8>>) -> String {
    let mut stream = connect(address);
    stream.write_all(head.as_bytes()).unwrap();
    for part in body {
        stream.write_all(&part).expect("the whole body is read");
    }
    let end = "\"}";
    let answer = read_until(&mut stream, end);
    // The connection accepts another request.
    stream.write_all(ALIVE.as_bytes()).unwrap();
    read_until(&mut stream, ALIVE_END);
    answer
}

/// The clock is paused, so that a slow machine does not cause a timeout.
#[tokio::test]
async fn the_error_response_arrives_after_a_large_body() {
    let running = with_a_key().await;
    let _clock = PausedClock::new();
    for (status, head) in rejected() {
        let address = running.address;
        let answers = spawn_blocking(move || {
            let whole = format!("{head}Content-Length: {}\r\n\r\n", 8 * MEBIBYTE);
            let body = (0..8).map(|_| vec![b' '; MEBIBYTE]);
            let whole = send(address, &whole, body);
            let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"100000\r\n".to_vec(), vec![b' '; MEBIBYTE], b"\r\n".to_vec()].concat();
            let chunks = std::iter::repeat_n(chunk, 8).chain([b"0\r\n\r\n".to_vec()]);
            [whole, send(address, &chunked, chunks)]
        });
        for answer in answers.await.unwrap() {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }
}

#[tokio::test]
async fn expect_100_continue_gets_the_error_response() {
    let running = with_a_key().await;
    let clock = PausedClock::new();
    for (status, head) in rejected().into_iter().filter(|(status, _)| *status != "413") {
        let address = running.address;
        let client = spawn_blocking(move || {
            let mut stream = connect(address);
            let length = 8 * MEBIBYTE;
            let head = format!("{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            read_to_end(&mut stream)
        });
        until_done(&clock, &client).await;
        let answer = client.await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "no 100: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

/// The clock is paused: the size limit ends the request, not a timeout.
#[tokio::test]
async fn an_endless_rejected_body_is_not_read_forever() {
    let running = with_a_key().await;
    let _clock = PausedClock::new();
    let address = running.address;
    let (status, head) = rejected()[0];
    let answer = spawn_blocking(move || {
        let mut stream = connect(address);
        let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [b"100000\r\n".to_vec(), vec![b' '; MEBIBYTE], b"\r\n".to_vec()].concat();
        let mut writer = stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || while writer.write_all(&chunk).is_ok() {});
        let mut answer = vec![0; 13];
        stream.read_exact(&mut answer).unwrap();
        writing.join().unwrap();
        String::from_utf8(answer).unwrap()
    });
    assert_eq!(answer.await.unwrap(), format!("HTTP/1.1 {status} "));
}

#[tokio::test]
async fn an_incomplete_rejected_body_is_not_awaited_forever() {
    let running = with_a_key().await;
    let clock = PausedClock::new();
    let address = running.address;
    let (status, head) = rejected()[1];
    let start = tokio::time::Instant::now();
    let answer = spawn_blocking(move || {
        let mut stream = connect(address);
        let head = format!("{head}Content-Length: {MEBIBYTE}\r\n\r\n  ");
        stream.write_all(head.as_bytes()).unwrap();
        read_to_end(&mut stream)
    });
    until_done(&clock, &answer).await;
    assert!(answer.await.unwrap().starts_with(&format!("HTTP/1.1 {status} ")));
    assert!(start.elapsed() < Duration::from_secs(3_000), "closed by the idle timeout");
}
