//! Response bodies in pieces, so that memory is freed while they are sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use super::unsent::{Counted, Unsent};
use crate::error::{Code, Error, Result};

/// Size of a piece in bytes.
pub const PIECE: usize = 1 << 16;

/// Collects a response body. Its bytes count as unsent; writing fails when a limit is reached.
pub struct Writer {
    pieces: VecDeque<Bytes>,
    /// The piece that is being filled.
    current: Vec<u8>,
    counted: Counted,
    remaining: usize,
    limit: usize,
    error: Option<Error>,
}

/// A complete response body.
#[derive(Clone)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Writer {
    /// Creates a writer for at most `limit` bytes.
    pub fn new(unsent: &Unsent, limit: usize) -> Self {
        let counted = unsent.count(0);
        let (pieces, current) = (VecDeque::new(), Vec::new());
        Self { pieces, current, counted, remaining: limit, limit, error: None }
    }

    /// Returns the number of bytes so far.
    pub fn len(&self) -> usize {
        self.limit - self.remaining
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut *self, value);
        written.map_err(|error| self.error.take().unwrap_or_else(|| Error::internal(error)))
    }

    /// Appends bytes.
    pub fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.remaining =
            self.remaining.checked_sub(bytes.len()).ok_or_else(|| too_large(self.limit))?;
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(PIECE - self.current.len()));
            self.current.extend_from_slice(head);
            bytes = tail;
            if self.current.len() == PIECE {
                self.close_piece()?;
            }
        }
        Ok(())
    }

    fn close_piece(&mut self) -> Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        self.counted.grow(self.current.len())?;
        self.pieces.push_back(std::mem::take(&mut self.current).into());
        Ok(())
    }

    /// Returns the body and the guard that counts it until it is sent.
    pub fn finish(mut self) -> Result<(Pieces, Counted)> {
        self.close_piece()?;
        Ok((Pieces { bytes: self.len(), pieces: self.pieces }, self.counted))
    }

    /// Returns the pieces; each counts until it is dropped.
    pub fn finish_counted(mut self) -> Result<Vec<Bytes>> {
        self.close_piece()?;
        let Self { pieces, mut counted, .. } = self;
        Ok(pieces.into_iter().map(|piece| counted.piece(piece)).collect())
    }
}

/// For serde_json, which writes JSON in many small parts.
impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.bytes(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.error = Some(error);
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pieces {
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.bytes -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes as u64)
    }
}

fn too_large(limit: usize) -> Error {
    let detail = format!(
        "the response is over {limit} bytes; select layers and heads of attention, fewer \
         granularities, methods or inputs, or accept application/x-safetensors"
    );
    Error::new(Code::ResponseTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_as_it_was_written() {
        let unsent = Unsent::new(1);
        let numbers: Vec<u32> = (0..40_000).collect();
        let mut writer = Writer::new(&unsent, 1 << 20);
        writer.json(&numbers).unwrap();
        assert!(unsent.bytes() >= 3 * PIECE, "it counts while it is written");
        let (pieces, counted) = writer.finish().ok().unwrap();
        let length = pieces.len();
        assert_eq!(unsent.bytes(), length);
        drop(counted);
        assert_eq!(unsent.bytes(), 0);
        let read = pieces.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), length);
        assert_eq!(serde_json::from_slice::<Vec<u32>>(&read).unwrap(), numbers);
    }

    #[test]
    fn writing_stops_when_a_limit_is_reached() {
        let unsent = Unsent::new(1);
        let numbers = vec![1_000_000; 200_000];
        let error = Writer::new(&unsent, 1 << 30).json(&numbers).unwrap_err();
        assert_eq!(error.code, Code::ResponsesUnsent);
        let error = Writer::new(&unsent, 10_000).json(&numbers).unwrap_err();
        assert_eq!(error.code, Code::ResponseTooLarge);
        assert_eq!(unsent.bytes(), 0, "rejected bytes no longer count");
    }
}
