//! TLS by rustls, with a certificate that may be replaced while the service runs.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use super::watched::{Contents, Watched};
use crate::config;

/// The largest file of certificates, or of a key.
const LARGEST: u64 = 1 << 20;

/// How connections are encrypted.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: config::Tls,
    watched: Mutex<Watched<2>>,
    current: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads the certificate and its key.
    pub fn new(files: config::Tls) -> Result<Self, String> {
        let mut watched = Watched::new([files.certificate.clone(), files.key.clone()], LARGEST);
        let current = RwLock::new(acceptor(&files, watched.read())?);
        Ok(Self(Arc::new(Shared { files, watched: Mutex::new(watched), current })))
    }

    /// Reads them again; new connections get them. Where that fails, those before
    /// stay.
    pub fn renew(&self) -> Result<(), String> {
        let contents = self.watched().read();
        self.take(contents)
    }

    /// A connection, with the certificate as it is in its file now.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let news = self.watched().news();
        match news.map(|contents| self.take(contents)) {
            Some(Ok(())) => info!("the certificate was read again"),
            Some(Err(error)) => {
                warn!(error, "the certificate cannot be read; the one before holds")
            }
            None => {}
        }
        let acceptor = self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(stream).await
    }

    fn watched(&self) -> MutexGuard<'_, Watched<2>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, contents: Contents<2>) -> Result<(), String> {
        let new = acceptor(&self.0.files, contents)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn acceptor(files: &config::Tls, contents: Contents<2>) -> Result<TlsAcceptor, String> {
    let config::Tls { certificate, key } = files;
    let [certificates, secret] = contents?;
    let wrong = |file: &Path, error: String| format!("{}: {error}", file.display());
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong(certificate, "there is no certificate in it".to_owned()));
    }
    let secret =
        PrivateKeyDer::from_pem_slice(&secret).map_err(|error| wrong(key, error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, secret)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}
