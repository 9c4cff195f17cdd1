//! TLS with rustls. The certificate can be replaced at run time.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use super::watched::{Contents, WatchedFiles};
use crate::config;

/// Maximum size of a certificate or key file in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The TLS configuration.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: config::Tls,
    state: Mutex<State>,
}

/// The acceptor changes only when the files do, so one lock holds both.
struct State {
    watched: WatchedFiles<2>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the certificate and its key.
    pub fn new(files: config::Tls) -> Result<Self, String> {
        let mut watched =
            WatchedFiles::new([files.certificate.clone(), files.key.clone()], MAX_LEN);
        let acceptor = acceptor(&files, watched.read())?;
        Ok(Self(Arc::new(Shared { files, state: Mutex::new(State { watched, acceptor }) })))
    }

    /// Reloads the files for new connections. On failure, the previous certificate stays in use.
    pub fn renew(&self) -> Result<(), String> {
        let mut state = self.state();
        state.acceptor = acceptor(&self.0.files, state.watched.read())?;
        Ok(())
    }

    /// Accepts a TLS connection, with the current certificate.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        self.acceptor().accept(stream).await
    }

    /// Returns an acceptor with the current certificate.
    fn acceptor(&self) -> TlsAcceptor {
        let mut state = self.state();
        match state.watched.changes().map(|contents| acceptor(&self.0.files, contents)) {
            Some(Ok(new)) => {
                state.acceptor = new;
                info!("the certificate was reloaded");
            }
            Some(Err(error)) => {
                warn!(error, "the certificate cannot be read; the previous one stays in use")
            }
            None => {}
        }
        state.acceptor.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn acceptor(files: &config::Tls, contents: Contents<2>) -> Result<TlsAcceptor, String> {
    let config::Tls { certificate, key } = files;
    let [certificates, secret] = contents?;
    let file_error = |file: &Path, error: String| format!("{}: {error}", file.display());
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| file_error(certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(file_error(certificate, "it contains no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_slice(&secret)
        .map_err(|error| file_error(key, error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, secret)
        .map_err(|error| file_error(certificate, error.to_string()))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}
