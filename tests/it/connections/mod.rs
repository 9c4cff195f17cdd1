//! Real sockets: silence, too many of them, slow readers, TLS, and the way out.

mod ending;
mod heads;
mod readers;
mod slots;
mod times;
mod unread;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use explaind::config::{Config, Server};
use explaind::http::{self, Connections, Service, Work};
use explaind::{app, telemetry};
use h2::client::{Connection, SendRequest};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::service::patient;
use crate::support::{PATIENCE, StoppedClock, certify, until_async};

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
    let service = Service::new(explainer, Work::here(), telemetry::metrics().unwrap(), &config);
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
        let mut stream = connect(address);
        stream.write_all(&bytes).unwrap();
        read_to_end(&mut stream)
    })
    .await
    .unwrap()
}

fn post(body: &str) -> String {
    format!(
        "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A request after which the connection stays, and the end of its answer.
const ALIVE: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ALIVE_SEEN: &str = "{\"status\":\"live\"}";

const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Moves the clock on until the other end has closed.
async fn until_closed(clock: &StoppedClock, open: JoinHandle<String>) -> String {
    until_done(clock, &open).await;
    open.await.unwrap()
}

/// In steps with a pause after each: what is at the other end is to see it in time.
async fn until_done<T>(clock: &StoppedClock, task: &JoinHandle<T>) {
    until_async(async || {
        clock.advance(Duration::from_millis(100)).await;
        task.is_finished()
    })
    .await;
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until these are its last words.
fn read_until(stream: &mut TcpStream, seen: &str) -> String {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&answer).ends_with(seen) {
        let read = stream.read(&mut byte).unwrap();
        assert_eq!(read, 1, "it was closed: {}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// What comes until it is closed.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it was not closed");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends these bytes; what comes back before `seen` has come, and then until it is
/// closed.
async fn open(address: SocketAddr, bytes: &'static str, seen: &'static str) -> JoinHandle<String> {
    let (reached, sent) = oneshot::channel();
    let client = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(bytes.as_bytes()).unwrap();
        let before = read_until(&mut stream, seen);
        reached.send(()).unwrap();
        before + &read_to_end(&mut stream)
    });
    sent.await.unwrap();
    client
}

/// A client of HTTP/2; what drives its connection.
async fn h2(address: SocketAddr) -> (SendRequest<Bytes>, Connection<tokio::net::TcpStream, Bytes>) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    h2::client::handshake(stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_harms_nobody() {
    let running = listen(patient()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish rubbish",
        b"POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /explain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = say(running.address, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    assert!(say(running.address, LIVE).await.starts_with("HTTP/1.1 200 "));
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
        let stream = TcpStream::connect(address)?;
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
    until_async(async || say_secretly(address, new.clone()).await.is_ok()).await;
    assert!(say_secretly(address, old).await.is_err(), "the old one is not shown any more");
    std::fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    assert!(tls.renew().unwrap_err().contains("key.pem"));
    assert!(say_secretly(address, new).await.is_ok(), "the one before holds");
}
