//! Unary calls of gRPC over HTTP/2: one message in a frame each way, and the status in trailers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use prost::Message;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::http::timeout::REQUEST_TIMEOUT;

const MEDIA_TYPE: &str = "application/grpc";
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Whether a message is compressed, and its length.
const PREFIX: usize = 5;

/// The longest body of a problem.
const MAX_PROBLEM: usize = 1 << 16;

/// Reads the message of a request.
pub fn message<T: Message + Default>(bytes: &[u8]) -> Result<T> {
    let broken = || Error::new(Code::BadRequest, "the body is not one message of gRPC");
    let (prefix, message) = bytes.split_first_chunk::<PREFIX>().ok_or_else(broken)?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        let detail = "compressed messages are not supported; send them with grpc-encoding identity";
        return Err(Error::new(Code::UnsupportedMediaType, detail));
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(broken());
    }
    T::decode(message).map_err(|error| {
        Error::new(Code::BadRequest, format!("the message cannot be read: {error}"))
    })
}

/// Returns the response with this message.
pub fn response(message: &impl Message) -> Result<Response> {
    let length = u32::try_from(message.encoded_len()).map_err(Error::internal)?;
    let mut bytes = Vec::with_capacity(PREFIX + message.encoded_len());
    bytes.push(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    message.encode(&mut bytes).map_err(Error::internal)?;
    let kind = [(header::CONTENT_TYPE, MEDIA_TYPE)];
    Ok((kind, Body::new(WithStatus { data: Some(bytes.into()), ended: false })).into_response())
}

/// A message, and the status OK after it.
struct WithStatus {
    data: Option<Bytes>,
    ended: bool,
}

impl HttpBody for WithStatus {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let first = !std::mem::replace(&mut self.ended, true);
        let status = HeaderValue::from_static("0");
        let trailers = || [(header::HeaderName::from_static(STATUS), status)].into_iter().collect();
        Poll::Ready(first.then(|| Ok(Frame::trailers(trailers()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Middleware that converts problems to statuses of gRPC, for its clients.
pub async fn statuses(mut request: Request, next: Next) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(MEDIA_TYPE.as_bytes())) {
        return next.run(request).await;
    }
    if let Some(timeout) = timeout(request.headers()) {
        request.headers_mut().insert(REQUEST_TIMEOUT, timeout);
    }
    let response = next.run(request).await;
    match response.status() {
        StatusCode::OK => response,
        status => failed(status, response).await,
    }
}

/// Reads `grpc-timeout`, a number and its unit, in milliseconds.
fn timeout(headers: &HeaderMap) -> Option<HeaderValue> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let time = match unit {
        "H" => Duration::from_secs(number.saturating_mul(3_600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    // The range of the header that it becomes.
    let milliseconds = time.as_millis().clamp(1, 3_600_000);
    HeaderValue::try_from(milliseconds.to_string()).ok()
}

/// Returns a response with nothing but a status, from that of a problem.
async fn failed(status: StatusCode, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, MAX_PROBLEM).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let detail = match text("pointer") {
        "" => text("detail").to_owned(),
        pointer => format!("{} (at {pointer})", text("detail")),
    };
    let number = HeaderValue::from(number(status, text("code")));
    let mut answer = ([(header::CONTENT_TYPE, MEDIA_TYPE)], ()).into_response();
    let headers = answer.headers_mut();
    headers.insert(STATUS, number);
    if let Ok(message) = HeaderValue::try_from(escaped(&detail)) {
        headers.insert(MESSAGE, message);
    }
    for name in [header::RETRY_AFTER, crate::http::request_id::REQUEST_ID] {
        let value = parts.headers.get(&name).cloned();
        headers.extend(value.map(|value| (name, value)));
    }
    answer
}

/// Returns the number of gRPC's status.
fn number(status: StatusCode, code: &str) -> u16 {
    const UNIMPLEMENTED: u16 = 12;
    match (status.as_u16(), code) {
        (404, "not_found") | (405 | 415, _) => UNIMPLEMENTED,
        (401, _) => 16,       // UNAUTHENTICATED
        (404, _) => 5,        // NOT_FOUND
        (413 | 429, _) => 8,  // RESOURCE_EXHAUSTED
        (408 | 504, _) => 4,  // DEADLINE_EXCEEDED
        (502 | 503, _) => 14, // UNAVAILABLE
        (400..=499, _) => 3,  // INVALID_ARGUMENT
        _ => 13,              // INTERNAL
    }
}

/// Escapes a message as gRPC has it: percent signs and bytes that are not printable ASCII.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_units() {
        for (text, expected) in [
            ("60S", Some("60000")),
            ("250m", Some("250")),
            ("1H", Some("3600000")),
            ("9H", Some("3600000")),
            ("1n", Some("1")),
            ("5", None),
            ("", None),
            ("é", None),
            ("-1S", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_bytes(text.as_bytes()).unwrap());
            let found = timeout(&headers);
            assert_eq!(found.as_ref().and_then(|value| value.to_str().ok()), expected, "{text}");
        }
    }

    #[test]
    fn messages_are_escaped() {
        assert_eq!(escaped("50 % é\n"), "50 %25 %C3%A9%0A");
    }
}
