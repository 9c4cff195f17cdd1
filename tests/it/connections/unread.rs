//! Bodies that are refused before they are read: the refusal arrives.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use explaind::config::keys::digest;
use explaind::config::{Config, Limits, Server};
use tokio::task::spawn_blocking;

use super::{ALIVE, ALIVE_SEEN, Listening, connect, listen, read_to_end, read_until, until_done};
use crate::support::StoppedClock;
use crate::support::service::patient;

const MEBIBYTE: usize = 1 << 20;

async fn with_a_key() -> Listening {
    let key = format!("app:{}", digest("the-key-of-the-app")).try_into().unwrap();
    let server = Server { keys: vec![key], ..Server::default() };
    // Neither of these is what ends a connection here.
    let limits = Limits { idle_ms: 3_600_000, head_ms: 3_600_000, ..patient().limits };
    listen(Config { server, limits, ..patient() }).await
}

/// A head whose body is refused with this status.
fn refused() -> [(&'static str, &'static str); 4] {
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

/// Sends all of it before it reads anything, as simple clients do.
fn send(address: SocketAddr, head: &str, body: impl Iterator<Item = Vec<u8>>) -> String {
    let mut stream = connect(address);
    stream.write_all(head.as_bytes()).unwrap();
    for part in body {
        stream.write_all(&part).expect("it is read to its end");
    }
    let end = "\"}";
    let answer = read_until(&mut stream, end);
    // What comes next is a request of its own.
    stream.write_all(ALIVE.as_bytes()).unwrap();
    read_until(&mut stream, ALIVE_SEEN);
    answer
}

/// The clock stands: however slow the machine, there is time for all of it.
#[tokio::test]
async fn a_refusal_arrives_after_a_large_body() {
    let running = with_a_key().await;
    let _clock = StoppedClock::new();
    for (status, head) in refused() {
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
async fn who_asks_before_sending_is_told_not_to() {
    let running = with_a_key().await;
    let clock = StoppedClock::new();
    for (status, head) in refused().into_iter().filter(|(status, _)| *status != "413") {
        let address = running.address;
        let asked = spawn_blocking(move || {
            let mut stream = connect(address);
            let length = 8 * MEBIBYTE;
            let head = format!("{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            read_to_end(&mut stream)
        });
        until_done(&clock, &asked).await;
        let answer = asked.await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "no 100: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

/// The clock stands: it is the amount that is too much.
#[tokio::test]
async fn a_body_without_end_is_not_read_for_ever() {
    let running = with_a_key().await;
    let _clock = StoppedClock::new();
    let address = running.address;
    let (status, head) = refused()[0];
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
async fn nor_is_one_that_does_not_come() {
    let running = with_a_key().await;
    let clock = StoppedClock::new();
    let address = running.address;
    let (status, head) = refused()[1];
    let start = tokio::time::Instant::now();
    let answer = spawn_blocking(move || {
        let mut stream = connect(address);
        let head = format!("{head}Content-Length: {MEBIBYTE}\r\n\r\n  ");
        stream.write_all(head.as_bytes()).unwrap();
        read_to_end(&mut stream)
    });
    until_done(&clock, &answer).await;
    assert!(answer.await.unwrap().starts_with(&format!("HTTP/1.1 {status} ")));
    assert!(start.elapsed() < Duration::from_secs(3_000), "it was not the idle time");
}
