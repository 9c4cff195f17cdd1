//! Bytes of responses that have not been sent, of all requests together: counted from
//! when they are written until the connection has passed them on, and bounded.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};

use super::gate::PROBES;
use super::problem::Failure;
use crate::error::{Code, Error, Result};

/// Seconds after which a refused request may come back: slow readers go meanwhile.
const RETRY_AFTER: u64 = 2;

/// The count, shared by all who add to it.
#[derive(Clone)]
pub struct Unsent(Arc<Count>);

struct Count {
    limit: usize,
    bytes: AtomicUsize,
}

/// Bytes that are counted until this is dropped.
pub struct Counted {
    unsent: Unsent,
    bytes: usize,
}

impl Unsent {
    pub fn new(mebibytes: usize) -> Self {
        Self(Arc::new(Count { limit: mebibytes << 20, bytes: AtomicUsize::new(0) }))
    }

    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Whether any response could be sent: refuses work whose answer would be refused.
    pub fn room(&self) -> Result<()> {
        match self.bytes() < self.0.limit {
            true => Ok(()),
            false => Err(self.full()),
        }
    }

    /// Counts `bytes` if there is room for them.
    pub fn reserve(&self, bytes: usize) -> Result<Counted> {
        let mut counted = self.count(0);
        counted.grow(bytes)?;
        Ok(counted)
    }

    /// Counts `bytes`, room or no room.
    pub fn count(&self, bytes: usize) -> Counted {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        Counted { unsent: self.clone(), bytes }
    }

    fn full(&self) -> Error {
        let mebibytes = self.0.limit >> 20;
        let detail = format!(
            "{mebibytes} MiB of responses are waiting to be read; read faster, ask for less \
             attention, or come back later"
        );
        Error { retry_after: Some(RETRY_AFTER), ..Error::new(Code::ResponsesUnsent, detail) }
    }
}

impl Counted {
    /// Counts `bytes` more if there is room for them.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let Count { limit, bytes: count } = &*self.unsent.0;
        let more = |now: usize| now.checked_add(bytes).filter(|after| after <= limit);
        let grown = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        grown.map_err(|_| self.unsent.full())?;
        self.bytes += bytes;
        Ok(())
    }

    /// `piece`, which counts until its last copy is dropped; what it takes is taken from
    /// this, as far as it goes.
    pub fn piece(&mut self, piece: Bytes) -> Bytes {
        let had = piece.len().min(self.bytes);
        self.bytes -= had;
        let mut counted = self.unsent.count(piece.len() - had);
        counted.bytes += had;
        Bytes::from_owner(Piece { bytes: piece, _counted: counted })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unsent.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A part of a body, counted.
struct Piece {
    bytes: Bytes,
    _counted: Counted,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Middleware that counts a response of a known length as a whole, before it is sent, or
/// refuses it. Lines are counted where they are written. Probes are never refused: a full
/// service lives.
pub async fn counted(State(unsent): State<Unsent>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let probe = path.is_some_and(|path| PROBES.contains(&path));
    let response = next.run(request).await;
    let Some(length) = response.body().size_hint().exact() else { return response };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let counted = if probe { Ok(unsent.count(length)) } else { unsent.reserve(length) };
    match counted {
        Ok(counted) => response.map(|body| Body::new(Sending { body, counted })),
        Err(error) => Failure::from(error).into_response(),
    }
}

/// Middleware around compression: counts what it made of a body.
pub async fn counted_compressed(
    State(unsent): State<Unsent>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if !response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let counted = unsent.count(0);
    response.map(|body| Body::new(Sending { body, counted }))
}

/// A body whose data counts until it has been passed on.
struct Sending {
    body: Body,
    counted: Counted,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| Ok(frame?.map_data(|data| self.counted.piece(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_from_reserving_to_the_last_drop() {
        let unsent = Unsent::new(1);
        let mut whole = unsent.reserve(1_000_000).ok().unwrap();
        let refused = unsent.reserve(100_000).err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (Code::ResponsesUnsent, Some(2)));
        let piece = whole.piece(Bytes::from(vec![0; 400_000]));
        let copy = piece.clone();
        drop(piece);
        assert_eq!(unsent.bytes(), 1_000_000, "a copy is left");
        drop(copy);
        assert_eq!(unsent.bytes(), 600_000);
        let more = whole.piece(Bytes::from(vec![0; 700_000]));
        drop(whole);
        assert_eq!(unsent.bytes(), 700_000, "what is more than was reserved counts as well");
        drop(more);
        assert_eq!(unsent.bytes(), 0);
        let _all = unsent.reserve(1 << 20).ok().unwrap();
        assert!(unsent.room().is_err());
    }
}
