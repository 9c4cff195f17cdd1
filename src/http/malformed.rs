//! Request heads that cannot be read. hyper answers them by itself, with a status and
//! no body, before any service is called, and lets nobody say otherwise. So its own
//! responses are recognised on their way to the socket, where they are the only bytes
//! that are written while no request is in progress, and become whole problems.
//!
//! HTTP/2 has no such responses: there a malformed head resets its stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::Extension;
use axum::http::StatusCode;
use axum::middleware::AddExtension;
use axum::{Router, response::IntoResponse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Layer;

use super::accounting::Account;
use super::outer::{guarded, random_id};
use super::problem::Problem;
use crate::error::{Code, Error};

/// A connection and its service, so that heads that cannot be read are answered with
/// problems, logged and counted.
pub fn answered<S>(stream: S, router: Router) -> (Completing<S>, AddExtension<Router, Requests>) {
    let requests = Requests::default();
    let router = Extension(requests.clone()).layer(router);
    (Completing { stream, requests, settled: Some(0), answer: None }, router)
}

/// Counts the requests of a connection, and those of them whose responses have been
/// handed to it to their end.
#[derive(Clone, Default)]
pub struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request until its response has been handed over.
pub struct Begun(Requests);

impl Requests {
    pub fn begin(&self) -> Begun {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }

    fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// How many have begun, where all of them have ended.
    fn all_ended(&self) -> Option<usize> {
        let begun = self.begun();
        (begun == self.0.ended.load(Ordering::Relaxed)).then_some(begun)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that completes the responses that are hyper's own.
pub struct Completing<S> {
    stream: S,
    requests: Requests,
    /// How many requests had begun when all of them had their whole response flushed;
    /// what is written before another begins is hyper's own.
    settled: Option<usize>,
    /// What is written in place of hyper's response.
    answer: Option<Answer>,
}

struct Answer {
    bytes: Vec<u8>,
    written: usize,
}

impl<S: AsyncWrite + Unpin> Completing<S> {
    /// Begins an answer where these bytes are a response of hyper's own.
    fn recognise(&mut self, bytes: &[u8]) {
        if self.settled == Some(self.requests.begun()) && self.answer.is_none() {
            self.answer = complete(bytes).map(|bytes| Answer { bytes, written: 0 });
        }
    }

    /// Writes the answer to its end.
    fn poll_answer(
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Poll<io::Result<()>> {
        while answer.written < answer.bytes.len() {
            let rest = &answer.bytes[answer.written..];
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => answer.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The whole response that a head of hyper's own stands for.
fn complete(bytes: &[u8]) -> Option<Vec<u8>> {
    const NOTHING: &str = "content-length: 0\r\n";
    let head = std::str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let (before, after) = head.split_once(NOTHING)?;
    let id = random_id();
    let (fields, body) = problem(status, &id);
    Account::of_malformed(&id, status);
    Some([before.as_bytes(), &fields, after.as_bytes(), &body].concat())
}

/// Header fields and body.
fn problem(status: StatusCode, id: &str) -> (Vec<u8>, Vec<u8>) {
    let problem = Problem::new(error(status), Some(id));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let own = [
        ("content-type", "application/problem+json".to_owned()),
        ("content-length", body.len().to_string()),
        ("x-request-id", id.to_owned()),
    ];
    let field = |name: &str, value: &[u8]| [name.as_bytes(), b": ", value, b"\r\n"].concat();
    let guards = guarded(().into_response());
    let own = own.iter().map(|(name, value)| field(name, value.as_bytes()));
    let guards =
        guards.headers().iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
    (own.chain(guards).flatten().collect(), body)
}

fn error(status: StatusCode) -> Error {
    match status {
        StatusCode::URI_TOO_LONG => Error::new(Code::UriTooLong, "the path is too long"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let detail = "the head has more header fields, or more bytes, than are read at all";
            Error::new(Code::HeadersTooLarge, detail)
        }
        _ => {
            let detail = "the request line or a header field is not HTTP/1.1 (RFC 9112); a \
                          service that speaks TLS takes https alone, and another http alone";
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
        this.recognise(bytes);
        let Some(answer) = &mut this.answer else {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        };
        ready!(Self::poll_answer(Pin::new(&mut this.stream), context, answer))?;
        this.answer = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // hyper's own response is one slice.
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
        // hyper flushes when it has written all that it has.
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

    /// What the other end gets, through a socket that takes little at a time, of what
    /// `write` writes.
    async fn received(write: impl AsyncFnOnce(&mut Completing<tokio::io::DuplexStream>)) -> String {
        let (mut client, stream) = tokio::io::duplex(7);
        let (mut stream, _) = answered(stream, Router::new());
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
    async fn a_head_alone_becomes_a_whole_problem() {
        let text = received(async |stream| stream.write_all(HEAD.as_bytes()).await.unwrap()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n") && head.ends_with("date: now"));
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "bad_request");
    }

    #[tokio::test]
    async fn responses_to_requests_go_out_as_they_are() {
        let text = received(async |stream| {
            // Handed over before its first byte is written, as short ones are.
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
