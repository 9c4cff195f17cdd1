//! Real sockets: silence, too many of them, TLS, and the way out.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use explaind::config::{Config, Limits, Server};
use explaind::http::{self, Connections, Service};
use explaind::{app, telemetry};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::service::patient;
use crate::support::{Held, PATIENCE, StoppedClock, certify, log, until};

/// A service on a port of its own.
struct Listening {
    address: SocketAddr,
    service: Service,
    tls: Option<http::Tls>,
    stop: Option<oneshot::Sender<()>>,
    /// Completes once it has seen that it is to stop.
    ending: oneshot::Receiver<()>,
    serving: JoinHandle<()>,
}

async fn listen(config: Config) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let explainer = app::explainer(&config).unwrap();
    app::load(&explainer, &config.models).await.unwrap();
    let service = Service::new(explainer, telemetry::metrics().unwrap(), &config);
    let tls = config.server.tls.clone().map(|files| http::Tls::new(files).unwrap());
    let connections = Connections::new(listener, tls.clone(), &config.limits);
    let (stop, stopping) = oneshot::channel::<()>();
    let (seen, ending) = oneshot::channel();
    let serving = connections.serve(http::router(service.clone()), async {
        let _ = stopping.await;
        let _ = seen.send(());
    });
    Listening { address, service, tls, stop: Some(stop), ending, serving: tokio::spawn(serving) }
}

/// What the other end says to these bytes, until it closes.
async fn say(address: SocketAddr, bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
    .unwrap()
}

fn post(body: &str) -> String {
    format!(
        "POST /explain HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn in_flight_is_answered_and_who_comes_later_is_told() {
    let mut running = listen(patient()).await;
    let held = Held::after(0, "ocean");
    let slow = json!({"inputs": "an ocean of time"}).to_string();
    let in_flight = tokio::spawn(say(running.address, post(&slow)));
    held.reached().await;
    running.service.drain();
    running.stop.take().unwrap().send(()).unwrap();
    (&mut running.ending).await.unwrap();
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
    assert!(std::net::TcpStream::connect(running.address).is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut running = listen(patient()).await;
    let _idle = std::net::TcpStream::connect(running.address).unwrap();
    let live = say(running.address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    running.service.drain();
    running.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(PATIENCE, running.serving).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_may_be_wait() {
    let limits = Limits { connections: 2, ..patient().limits };
    let running = listen(Config { limits, ..patient() }).await;
    let held: Vec<_> =
        (0..2).map(|_| std::net::TcpStream::connect(running.address).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = tokio::spawn(say(running.address, LIVE));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "there is no room yet");
    held[0].shutdown(Shutdown::Both).unwrap();
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 "));
}

/// Moves the clock on until the other end has closed.
async fn until_closed(clock: &StoppedClock, open: JoinHandle<String>) -> String {
    while !open.is_finished() {
        clock.advance(Duration::from_millis(100)).await;
        // Sockets are looked at in between.
        tokio::task::yield_now().await;
    }
    open.await.unwrap()
}

/// Sends these bytes; what comes back before `seen` has come, and then until it is
/// closed.
async fn open(address: SocketAddr, bytes: &'static str, seen: &'static str) -> JoinHandle<String> {
    let (reached, sent) = oneshot::channel();
    let client = spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&answer).ends_with(seen) {
            answer.push(stream.read(&mut byte).map(|_| byte[0]).unwrap());
        }
        reached.send(()).unwrap();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it was not closed");
        }
        String::from_utf8_lossy(&answer).into_owned()
    });
    sent.await.unwrap();
    client
}

const HALF_A_HEAD: &str = "POST /explain HTTP/1.1\r\nHost: a\r\nContent-";
const HALF_A_BODY: &str = "POST /explain HTTP/1.1\r\nHost: a\r\nContent-Type: \
                           application/json\r\nContent-Length: 90\r\nExpect: \
                           100-continue\r\n\r\n{\"inputs\": ";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn a_head_and_the_time_between_two_have_their_own_bound() {
    let limits = Limits { idle_ms: 400, request_ms: 3_600_000, ..Limits::default() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
    let half = until_closed(&clock, open(running.address, HALF_A_HEAD, "").await).await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408 "), "{half}");
    let idle = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let idle = open(running.address, idle, "{\"status\":\"live\"}").await;
    let start = Instant::now();
    let idle = until_closed(&clock, idle).await;
    assert!(idle.starts_with("HTTP/1.1 200 "), "{idle}");
    assert!(start.elapsed() < Duration::from_secs(3_000), "it was closed because it was idle");
}

#[tokio::test]
async fn silence_and_half_a_body_are_not_waited_for_for_ever() {
    let limits = Limits { idle_ms: 400, request_ms: 1_000, ..Limits::default() };
    let running = listen(Config { limits, ..patient() }).await;
    let clock = StoppedClock::new();
    assert_eq!(until_closed(&clock, open(running.address, "", "").await).await, "");
    // The head has been read when it says to go on.
    let half = open(running.address, HALF_A_BODY, CONTINUE).await;
    let half = until_closed(&clock, half).await;
    let half = half.trim_start_matches(CONTINUE);
    assert!(half.starts_with("HTTP/1.1 408 ") && half.contains("request_timeout"), "{half}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_harms_nobody() {
    let running = listen(patient()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish rubbish",
        b"POST /explain HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /explain HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = say(running.address, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    assert!(say(running.address, LIVE).await.starts_with("HTTP/1.1 200 "));
}

/// The response's problem, and the log line of the request.
fn told(response: &str) -> (Value, Value) {
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
async fn heads_that_cannot_be_read_are_problems_and_accounted_for() {
    log::keep();
    let running = listen(patient()).await;
    let fields = "a: b\r\n".repeat(500);
    let live = LIVE.replace("Connection: close\r\n", "");
    for (bytes, status, code, outcome) in [
        ("GET /livez HTTP/9.9\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        ("nonsense\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        ("GET / HTTP/1.1\r\nHost a\r\n\r\n".to_owned(), 400, "bad_request", "malformed"),
        (format!("GET / HTTP/1.1\r\n{fields}\r\n"), 431, "headers_too_large", "too_large"),
        (format!("{live}nonsense\r\n\r\n"), 400, "bad_request", "malformed"),
    ] {
        let answer = say(running.address, bytes.as_bytes()).await;
        let place = answer.rfind("HTTP/1.1 4").unwrap();
        assert_eq!(place > 0, bytes.starts_with(&live), "one response a request: {answer}");
        let (problem, line) = told(&answer[place..]);
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
        let fields = &line["fields"];
        assert_eq!((&fields["status"], &fields["outcome"]), (&json!(status), &json!(outcome)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_the_connection_has_a_log_line_too() {
    log::keep();
    let running = listen(patient()).await;
    let held = Held::after(0, "island");
    let body = post(r#"{"inputs": "an island in the sun"}"#);
    let body = body.replace("Host: a", "Host: a\r\nX-Request-Id: socket-left");
    let mut stream = std::net::TcpStream::connect(running.address).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    held.reached().await;
    assert!(log::of("socket-left").is_empty(), "it is still at work");
    drop(stream);
    until(|| !log::of("socket-left").is_empty()).await;
    let lines = log::of("socket-left");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["outcome"], "cancelled");
}

fn trusting(certificate: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    roots
}

/// A request through TLS that trusts these roots.
async fn say_secretly(address: SocketAddr, roots: RootCertStore) -> std::io::Result<String> {
    spawn_blocking(move || {
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = std::net::TcpStream::connect(address)?;
        let mut stream = StreamOwned::new(client, stream);
        stream.write_all(LIVE.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_a_certificate_that_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let (files, certificate) = certify(folder.path());
    let old = trusting(certificate);
    let server = Server { tls: Some(files), ..Server::default() };
    let running = listen(Config { server, ..patient() }).await;
    let (address, tls) = (running.address, running.tls.clone().unwrap());
    assert!(say_secretly(address, old.clone()).await.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(!say(address, LIVE).await.contains("200"), "plain words are not answered");
    let (_, certificate) = certify(folder.path());
    let new = trusting(certificate);
    tls.renew().unwrap();
    assert!(say_secretly(address, new.clone()).await.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(say_secretly(address, old).await.is_err(), "the old one is not shown any more");
    std::fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    assert!(tls.renew().unwrap_err().contains("key.pem"));
    assert!(say_secretly(address, new).await.is_ok(), "the one before holds");
}
