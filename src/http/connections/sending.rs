//! Tracks responses while they are sent. A request is in flight until the connection has passed on
//! the last byte of its response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::super::pieces::PIECE;
use super::activity::InFlight;

/// Tracks the response until it is sent.
pub fn track(response: Response, request: Arc<InFlight>) -> Response {
    response.map(|body| Body::new(Sending { body, rest: Bytes::new(), request }))
}

/// A body that is split into tracked pieces.
struct Sending {
    body: Body,
    /// Rest of a larger chunk. Pieces are small so that slow readers are noticed early.
    rest: Bytes,
    request: Arc<InFlight>,
}

impl Sending {
    fn next_piece(&mut self) -> Bytes {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        self.request.handed_over(bytes.len());
        Bytes::from_owner(Piece { bytes, request: Arc::clone(&self.request) })
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

/// Bytes that the connection holds, until dropped.
struct Piece {
    bytes: Bytes,
    request: Arc<InFlight>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.request.sent(self.bytes.len());
    }
}
