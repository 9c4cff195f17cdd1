//! GET /readyz by hand: no client library for one line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use clap::Args;
use explaind::config::Config;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::Failure;

/// Bytes of the answer's first line that are read.
const LONGEST_LINE: u64 = 1_024;

/// Ask a running service whether it is ready, where its configuration says that it
/// listens; for container health checks.
#[derive(Args)]
pub struct Healthcheck {
    /// The configuration of the service, a TOML file over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where it listens, in place of server.probe_listen or server.listen.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// The longest that it may take to answer, in milliseconds.
    #[arg(long, default_value_t = 3_000)]
    timeout_ms: u64,
}

/// Whether the service is ready.
pub fn healthcheck(flags: &Healthcheck) -> Result<(), Failure> {
    let server = Config::read(flags.config.as_deref())?.server;
    let configured = server.probe_listen.unwrap_or(server.listen);
    let address = reachable(flags.address.unwrap_or(configured));
    let (done, status) = channel();
    // Whatever the other end does, nothing is waited for beyond the limit: the thread
    // ends with the process.
    thread::spawn(move || {
        // Probes are plain, and an address that was given may be that of a service with
        // another configuration.
        let status = match (server.tls, server.probe_listen) {
            (Some(_), None) => encrypted(address),
            _ => plain(address).or_else(|_| encrypted(address)),
        };
        done.send(status)
    });
    let status = status.recv_timeout(Duration::from_millis(flags.timeout_ms));
    let status = status.map_err(|_| format!("no answer within {} ms", flags.timeout_ms))?;
    let status = status.map_err(|error| format!("{address}: {error}"))?;
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("not ready: {status}").into()),
    }
}

/// Where a service can be asked that listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn plain(address: SocketAddr) -> io::Result<String> {
    let line = ask(TcpStream::connect(address)?, address)?;
    match line.starts_with("HTTP/") {
        true => Ok(line),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn encrypted(address: SocketAddr) -> io::Result<String> {
    let client = client(address).map_err(io::Error::other)?;
    ask(StreamOwned::new(client, TcpStream::connect(address)?), address)
}

/// The first line of the answer.
fn ask(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn client(address: SocketAddr) -> Result<ClientConnection, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))
}

/// A certificate is for the service's name, and it is asked by its address; nothing
/// secret is sent, and all that is believed is that it is ready.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
