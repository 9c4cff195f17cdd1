//! A body that is written in pieces, so that memory is given back as it is sent.

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

/// Bytes of one piece.
pub const PIECE: usize = 1 << 16;

/// What a body is written to. It counts as unsent while it grows, and is refused as soon
/// as there is no room for it.
pub struct Writer {
    pieces: VecDeque<Bytes>,
    /// The one that is being filled.
    last: Vec<u8>,
    counted: Counted,
    left: usize,
    limit: usize,
    refusal: Option<Error>,
}

/// A body that is written.
#[derive(Clone)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Writer {
    /// Takes `limit` bytes at most.
    pub fn new(unsent: &Unsent, limit: usize) -> Self {
        let counted = unsent.count(0);
        let (pieces, last) = (VecDeque::new(), Vec::new());
        Self { pieces, last, counted, left: limit, limit, refusal: None }
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut *self, value);
        written.map_err(|error| self.refusal.take().unwrap_or_else(|| Error::internal(error)))
    }

    /// Adds bytes at the end.
    pub fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| too_large(self.limit))?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.last.len()));
            self.last.extend_from_slice(now);
            bytes = later;
            if self.last.len() == PIECE {
                self.close_piece()?;
            }
        }
        Ok(())
    }

    fn close_piece(&mut self) -> Result<()> {
        if self.last.is_empty() {
            return Ok(());
        }
        self.counted.grow(self.last.len())?;
        self.pieces.push_back(std::mem::take(&mut self.last).into());
        Ok(())
    }

    /// The pieces, and what counts them until they are on their way as a response.
    pub fn finish(mut self) -> Result<(Pieces, Counted)> {
        self.close_piece()?;
        Ok((Pieces { bytes: self.limit - self.left, pieces: self.pieces }, self.counted))
    }

    /// The pieces, each counted until it is dropped.
    pub fn finish_counted(mut self) -> Result<Vec<Bytes>> {
        self.close_piece()?;
        let Self { pieces, mut counted, .. } = self;
        Ok(pieces.into_iter().map(|piece| counted.piece(piece)).collect())
    }
}

/// For JSON, which is written in many small parts.
impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.bytes(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.refusal = Some(error);
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
        "the answer is over {limit} bytes; select layers and heads of attention, fewer \
         granularities, methods or inputs, or take application/x-safetensors"
    );
    Error::new(Code::ResponseTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_what_is_read() {
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
    fn what_has_no_room_is_not_written_to_its_end() {
        let unsent = Unsent::new(1);
        let numbers = vec![1_000_000; 200_000];
        let refused = Writer::new(&unsent, 1 << 30).json(&numbers).unwrap_err();
        assert_eq!(refused.code, Code::ResponsesUnsent);
        let refused = Writer::new(&unsent, 10_000).json(&numbers).unwrap_err();
        assert_eq!(refused.code, Code::ResponseTooLarge);
        assert_eq!(unsent.bytes(), 0, "what was refused is gone");
    }
}
