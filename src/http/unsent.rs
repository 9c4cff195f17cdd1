//! Counts and limits the bytes of all responses that have not been sent, from rendering until the
//! connection has passed them on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::PROBES;
use super::observed_body::{Observer, observed};
use super::problem::Failure;
use crate::error::{Code, Error, Result};

/// Seconds until a rejected request may retry; slow readers are disconnected meanwhile.
const RETRY_AFTER: u64 = 2;

/// The shared count.
#[derive(Clone)]
pub struct Unsent(Arc<Count>);

struct Count {
    limit: usize,
    bytes: AtomicUsize,
}

/// Bytes that count until this is dropped.
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

    /// Fails if the limit is reached, so that no work is started whose response would be rejected.
    pub fn check_room(&self) -> Result<()> {
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

    /// Counts `bytes` even if they exceed the limit.
    pub fn count(&self, bytes: usize) -> Counted {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        Counted { unsent: self.clone(), bytes }
    }

    fn full(&self) -> Error {
        let mebibytes = self.0.limit >> 20;
        let detail = format!(
            "{mebibytes} MiB of responses are waiting to be read; read faster, request less \
             attention, or try again later"
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

    /// Returns `piece` such that it counts until its last copy is dropped. Its bytes are deducted
    /// from this count as far as possible.
    pub fn piece(&mut self, piece: Bytes) -> Bytes {
        let reserved = piece.len().min(self.bytes);
        self.bytes -= reserved;
        let mut counted = self.unsent.count(piece.len() - reserved);
        counted.bytes += reserved;
        Bytes::from_owner(Piece { bytes: piece, _counted: counted })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unsent.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A counted part of a body.
struct Piece {
    bytes: Bytes,
    _counted: Counted,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Middleware that counts a response of known length as a whole before it is sent, or rejects it.
/// NDJSON lines are counted when they are written. Probes are never rejected, because a service at
/// this limit is healthy.
pub async fn count_bodies(State(unsent): State<Unsent>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let probe = path.is_some_and(|path| PROBES.contains(&path));
    let response = next.run(request).await;
    let Some(length) = response.body().size_hint().exact() else { return response };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let counted = if probe { Ok(unsent.count(length)) } else { unsent.reserve(length) };
    match counted {
        Ok(counted) => observed(response, counted),
        Err(error) => Failure::from(error).into_response(),
    }
}

/// Middleware outside of compression that counts the compressed bytes.
pub async fn count_compressed(
    State(unsent): State<Unsent>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if !response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    observed(response, unsent.count(0))
}

/// Bytes of the body count until they have been passed on.
impl Observer for Counted {
    fn data(&mut self, data: Bytes) -> Bytes {
        self.piece(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_from_reserving_to_the_last_drop() {
        let unsent = Unsent::new(1);
        let mut whole = unsent.reserve(1_000_000).ok().unwrap();
        let rejected = unsent.reserve(100_000).err().unwrap();
        assert_eq!((rejected.code, rejected.retry_after), (Code::ResponsesUnsent, Some(2)));
        let piece = whole.piece(Bytes::from(vec![0; 400_000]));
        let copy = piece.clone();
        drop(piece);
        assert_eq!(unsent.bytes(), 1_000_000, "a copy remains");
        drop(copy);
        assert_eq!(unsent.bytes(), 600_000);
        let more = whole.piece(Bytes::from(vec![0; 700_000]));
        drop(whole);
        assert_eq!(unsent.bytes(), 700_000, "bytes beyond the reservation also count");
        drop(more);
        assert_eq!(unsent.bytes(), 0);
        let _all = unsent.reserve(1 << 20).ok().unwrap();
        assert!(unsent.check_room().is_err());
    }
}
