//! Tests on real sockets: timeouts, connection limits, slow readers, TLS and shutdown.

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

use crate::support::service::untimed;
use crate::support::{PATIENCE, PausedClock, self_signed, wait_until_async};

/// A running service and its address.
struct Listening {
    address: SocketAddr,
    service: Service,
    tls: Option<http::Tls>,
    stop: Option<oneshot::Sender<()>>,
    /// Completes when the stop signal was received.
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

/// Sends these bytes and returns everything received until the connection is closed.
async fn exchange(address: SocketAddr, bytes: impl Into<Vec<u8>>) -> String {
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

/// A keep-alive request, and the end of its response.
const ALIVE: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ALIVE_END: &str = "{\"status\":\"live\"}";

const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Advances the clock until the connection is closed.
async fn until_closed(clock: &PausedClock, open: JoinHandle<String>) -> String {
    until_done(clock, &open).await;
    open.await.unwrap()
}

/// Advances the clock in steps, with real pauses for the service to react, until the task is done.
async fn until_done<T>(clock: &PausedClock, task: &JoinHandle<T>) {
    wait_until_async(async || {
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

/// Reads until the data ends with `end`.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&answer).ends_with(end) {
        // Reads again if a signal interrupts it.
        if let Err(error) = stream.read_exact(&mut byte) {
            panic!("{error} after: {}", String::from_utf8_lossy(&answer));
        }
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until the connection is closed.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is open");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends these bytes and waits until the response ends with `end`. The returned task reads on until
/// the connection is closed.
async fn open(address: SocketAddr, bytes: &'static str, end: &'static str) -> JoinHandle<String> {
    let (reached, sent) = oneshot::channel();
    let client = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(bytes.as_bytes()).unwrap();
        let start = read_until(&mut stream, end);
        reached.send(()).unwrap();
        start + &read_to_end(&mut stream)
    });
    sent.await.unwrap();
    client
}

/// Returns an HTTP/2 client and the future that drives its connection.
async fn h2(address: SocketAddr) -> (SendRequest<Bytes>, Connection<tokio::net::TcpStream, Bytes>) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    h2::client::handshake(stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_http_is_rejected() {
    let running = listen(untimed()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish rubbish",
        b"POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /explain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = exchange(running.address, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    assert!(exchange(running.address, LIVE).await.starts_with("HTTP/1.1 200 "));
}

fn trusting(certificate: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    roots
}

/// Sends a request over TLS with these root certificates.
async fn exchange_tls(address: SocketAddr, roots: RootCertStore) -> std::io::Result<String> {
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
async fn tls_certificates_are_reloaded() {
    let folder = tempfile::tempdir().unwrap();
    let (files, certificate) = self_signed(folder.path());
    let old = trusting(certificate);
    let server = Server { tls: Some(files), ..Server::default() };
    let running = listen(Config { server, ..untimed() }).await;
    let (address, tls) = (running.address, running.tls.clone().unwrap());
    assert!(exchange_tls(address, old.clone()).await.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(!exchange(address, LIVE).await.contains("200"), "plain HTTP is rejected");
    let (_, certificate) = self_signed(folder.path());
    let new = trusting(certificate);
    wait_until_async(async || exchange_tls(address, new.clone()).await.is_ok()).await;
    assert!(exchange_tls(address, old).await.is_err(), "the old certificate is not used any more");
    std::fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    assert!(tls.renew().unwrap_err().contains("key.pem"));
    assert!(exchange_tls(address, new).await.is_ok(), "the last valid certificate is used");
}
