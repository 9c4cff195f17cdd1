//! The Host header, and invalid request heads.

use std::io::{Read, Write};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{LIVE, exchange, listen, post};
use crate::support::service::untimed;
use crate::support::{Held, PATIENCE, log, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_host_header_is_required() {
    let running = listen(untimed()).await;
    let get = |head: &str| format!("GET /livez {head}Connection: close\r\n\r\n");
    for (head, status) in [
        ("HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("HTTP/1.1\r\nHost: evil.example\r\n", 421),
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("HTTP/1.0\r\n", 200),
    ] {
        let answer = exchange(running.address, get(head)).await;
        assert!(answer.split(' ').nth(1) == Some(&status.to_string()), "{head}: {answer}");
    }
}

/// Returns the bytes of GET /livez over cleartext HTTP/2 with this `:authority` (RFCs 9113, 7541).
fn get_livez(authority: &str) -> Vec<u8> {
    let literal = |name: u8, value: &str| [&[name, value.len() as u8], value.as_bytes()].concat();
    // :method GET and :scheme http are in the static table, :path and :authority are not.
    let head = [vec![0x82, 0x86], literal(4, "/livez"), literal(1, authority)].concat();
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let (settings, headers) = (frame(4, 0, 0, &[]), frame(1, 5, 1, &head));
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings, headers].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_of_http_2_is_the_host() {
    let running = listen(untimed()).await;
    for (authority, text) in [("localhost", "\"live\""), ("evil.example", "misdirected_request")] {
        let (address, bytes) = (running.address, get_livez(authority));
        let reading = spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&bytes).unwrap();
            let (mut answer, mut piece) = (String::new(), [0; 1024]);
            while !answer.contains(text) {
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "{answer}");
                answer += &String::from_utf8_lossy(&piece[..read]);
            }
        });
        reading.await.unwrap();
    }
}

/// Returns the problem of a response and the log line of the request.
fn problem_and_log(response: &str) -> (Value, Value) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    let id = problem["request_id"].as_str().unwrap();
    assert!(head.contains(&format!("x-request-id: {id}\r\n")), "{head}");
    let lines = log::of(id);
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    assert_eq!(
        (&line["span"]["route"], &line["span"]["method"]),
        (&json!("unmatched"), &json!("_OTHER"))
    );
    (problem, line.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_heads_have_a_problem_and_a_log_line() {
    log::keep();
    let running = listen(untimed()).await;
    let fields = "a: b\r\n".repeat(500);
    let live = LIVE.replace("Connection: close\r\n", "");
    for (bytes, status, code, outcome) in [
        ("GET /livez HTTP/9.9\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        ("nonsense\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        ("GET / HTTP/1.1\r\nHost a\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        (format!("GET / HTTP/1.1\r\n{fields}\r\n"), 431, "headers_too_large", "too_large"),
        (format!("{live}nonsense\r\n\r\n"), 400, "bad_request", "malformed"),
    ] {
        let answer = exchange(running.address, bytes.as_bytes()).await;
        let start = answer.rfind("HTTP/1.1 4").unwrap();
        assert_eq!(start > 0, bytes.starts_with(&live), "one response per request: {answer}");
        let (problem, line) = problem_and_log(&answer[start..]);
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
        let fields = &line["fields"];
        assert_eq!((&fields["status"], &fields["outcome"]), (&json!(status), &json!(outcome)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_has_a_log_line() {
    log::keep();
    let running = listen(untimed()).await;
    let held = Held::after(0, "island");
    let body = post(r#"{"inputs": "an island in the sun"}"#);
    let body = body.replace("Host: localhost", "Host: localhost\r\nX-Request-Id: socket-left");
    let mut stream = std::net::TcpStream::connect(running.address).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    held.reached().await;
    assert!(log::of("socket-left").is_empty(), "its pass is held");
    drop(stream);
    wait_until(|| !log::of("socket-left").is_empty()).await;
    let lines = log::of("socket-left");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["outcome"], "cancelled");
}
