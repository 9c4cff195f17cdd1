//! Problem responses to malformed request heads. hyper responds to them with a status and no body,
//! before any service is called, and this cannot be configured. So this module detects hyper's own
//! responses on their way to the socket, where they are the only bytes that are written while no
//! request is in progress, and replaces them by complete problems.
//!
//! HTTP/2 has no such responses; a malformed head resets its stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Extension;
use axum::http::StatusCode;
use axum::middleware::AddExtension;
use axum::{Router, response::IntoResponse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Layer;

use super::accounting::Account;
use super::headers::add_security_headers;
use super::problem::Problem;
use super::request_id::random_id;
use super::requests::Requests;
use crate::error::{Code, Error};

/// Wraps a connection and its service, so that malformed heads are answered with problems, logged
/// and counted.
pub fn wrap<S>(stream: S, router: Router) -> (Completing<S>, AddExtension<Router, Requests>) {
    let requests = Requests::default();
    let router = Extension(requests.clone()).layer(router);
    (Completing { stream, requests, settled: Some(0), replacement: None }, router)
}

/// A stream that replaces hyper's own responses by problems.
pub struct Completing<S> {
    stream: S,
    requests: Requests,
    /// The number of requests when all of their responses had been flushed. Bytes that are written
    /// before another request begins are hyper's own.
    settled: Option<usize>,
    /// The replacement that is being written.
    replacement: Option<Replacement>,
}

struct Replacement {
    bytes: Vec<u8>,
    written: usize,
}

impl<S: AsyncWrite + Unpin> Completing<S> {
    /// Creates a replacement if the bytes are a response of hyper's own.
    fn detect(&mut self, bytes: &[u8]) {
        if self.settled == Some(self.requests.begun()) && self.replacement.is_none() {
            self.replacement = complete(bytes).map(|bytes| Replacement { bytes, written: 0 });
        }
    }

    /// Writes the rest of the replacement.
    fn poll_replacement(
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
        replacement: &mut Replacement,
    ) -> Poll<io::Result<()>> {
        while replacement.written < replacement.bytes.len() {
            let rest = &replacement.bytes[replacement.written..];
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => replacement.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Converts hyper's response head to a complete problem response.
fn complete(bytes: &[u8]) -> Option<Vec<u8>> {
    const EMPTY: &str = "content-length: 0\r\n";
    let head = std::str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let (before, after) = head.split_once(EMPTY)?;
    let id = random_id();
    let (fields, body) = problem(status, &id);
    Account::record_malformed(&id, status);
    Some([before.as_bytes(), &fields, after.as_bytes(), &body].concat())
}

/// Returns the header fields and the body of a problem.
fn problem(status: StatusCode, id: &str) -> (Vec<u8>, Vec<u8>) {
    let problem = Problem::new(error(status), Some(id));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let fields = [
        ("content-type", "application/problem+json".to_owned()),
        ("content-length", body.len().to_string()),
        ("x-request-id", id.to_owned()),
    ];
    let field = |name: &str, value: &[u8]| [name.as_bytes(), b": ", value, b"\r\n"].concat();
    let security = add_security_headers(().into_response());
    let fields = fields.iter().map(|(name, value)| field(name, value.as_bytes()));
    let security =
        security.headers().iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
    (fields.chain(security).flatten().collect(), body)
}

fn error(status: StatusCode) -> Error {
    match status {
        StatusCode::URI_TOO_LONG => Error::new(Code::UriTooLong, "the path is too long"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let detail = "the head has more header fields or more bytes than the service reads";
            Error::new(Code::HeadersTooLarge, detail)
        }
        _ => {
            let detail = "the request line or a header field is not HTTP/1.1 (RFC 9112). A service \
                          with TLS accepts only https, and one without TLS only http";
            Error::new(Code::BadRequest, detail)
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Completing<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.detect(bytes);
        let Some(replacement) = &mut this.replacement else {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        };
        ready!(Self::poll_replacement(Pin::new(&mut this.stream), context, replacement))?;
        this.replacement = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // hyper writes its own response as a single slice.
        let [bytes] = slices else {
            return Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        };
        Pin::new(this).poll_write(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        // hyper flushes when it has written everything.
        this.settled = this.requests.all_ended();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Completing<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HEAD: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: now\r\n\r\n";

    /// Returns what the peer receives of what `write` writes, through a socket with a small buffer.
    async fn received(write: impl AsyncFnOnce(&mut Completing<tokio::io::DuplexStream>)) -> String {
        let (mut client, stream) = tokio::io::duplex(7);
        let (mut stream, _) = wrap(stream, Router::new());
        let write = async {
            write(&mut stream).await;
            stream.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let (_, read) = tokio::join!(write, client.read_to_string(&mut text));
        read.unwrap();
        text
    }

    #[tokio::test]
    async fn hypers_response_becomes_a_problem() {
        let text = received(async |stream| stream.write_all(HEAD.as_bytes()).await.unwrap()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n") && head.ends_with("date: now"));
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "bad_request");
    }

    #[tokio::test]
    async fn responses_to_requests_are_not_changed() {
        let text = received(async |stream| {
            // Short responses are handed over before their first byte is written.
            drop(stream.requests.begin());
            stream.write_all(HEAD.as_bytes()).await.unwrap();
            let longer = stream.requests.begin();
            stream.flush().await.unwrap();
            stream.write_all(HEAD.as_bytes()).await.unwrap();
            drop(longer);
            stream.flush().await.unwrap();
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        })
        .await;
        assert_eq!(text, format!("{HEAD}{HEAD}HTTP/1.1 408 Request Timeout\r\n\r\n"));
    }
}
