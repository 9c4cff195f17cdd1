//! The header of a stored index.

use std::io;

use super::Unusable;
use super::stream::{Reader, Writer};
use crate::corpus::index::Key;

const MAGIC: [u8; 8] = *b"expindex";

/// Version of the file layout. Files with another version are rebuilt.
const VERSION: u32 = 2;

/// Detects a file written with the other byte order.
const ORDER: u32 = 0x0102_0304;

/// Maximum length of the key text in bytes.
const MAX_KEY_BYTES: usize = 4_096;

/// The counts that determine the size of every later section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub rows: usize,
    pub width: usize,
    /// Number of calibration samples.
    pub held: usize,
    pub text_bytes: usize,
    /// Number of vocabulary entries with a document frequency.
    pub pieces: usize,
}

impl Header {
    /// Reads the header, and fails unless its key is `key`.
    pub fn read(from: &mut Reader<'_>, key: &Key) -> Result<Self, Unusable> {
        if from.list::<u8>(MAGIC.len())? != MAGIC {
            return Err(Unusable("is not an index file".to_owned()));
        }
        if from.list::<u32>(2)? != [ORDER, VERSION] {
            return Err(Unusable("has another format version or byte order".to_owned()));
        }
        let numbers: Vec<u64> = from.list(6)?;
        let number = |index: usize| usize::try_from(numbers[index]).unwrap_or(usize::MAX);
        let length = number(5);
        if length > MAX_KEY_BYTES {
            return Err(Unusable("is not an index file".to_owned()));
        }
        let stored_key: Vec<u8> = from.list(length)?;
        let expected = key.describe();
        let stored = String::from_utf8_lossy(&stored_key);
        if let Some((there, here)) = stored.lines().zip(expected.lines()).find(|(a, b)| a != b) {
            return Err(Unusable(format!("is for another {there}; expected {here}")));
        }
        from.align()?;
        Ok(Self {
            rows: number(0),
            width: number(1),
            held: number(2),
            text_bytes: number(3),
            pieces: number(4),
        })
    }

    /// Returns the number of bytes after the header, checksum included; `None` if it overflows
    /// u64.
    pub fn bytes_after(&self) -> Option<u64> {
        let Self { rows, width, held, text_bytes, pieces } = *self;
        let [rows, width, held] = [rows, width, held].map(|n| n as u64);
        let (text, of_pieces) = (text_bytes as u64, (pieces as u64).checked_mul(4)?);
        // Vectors and codes; scales, errors, labels, predictions, probabilities and ends.
        let of_rows =
            rows.checked_mul(width.checked_mul(4 + 1)?.checked_add(4 * 4 + 8 + 2 * 8)?)?;
        let of_held = held.checked_mul(4 + 8 + 8)?;
        let rest = of_held.checked_add(4 * width)?.checked_add(text)?.checked_add(of_pieces)?;
        of_rows.checked_add(rest)?.checked_add(4)
    }

    pub fn write(&self, to: &mut Writer<'_>, key: &Key) -> io::Result<()> {
        let described = key.describe();
        to.list(&MAGIC)?;
        to.list(&[ORDER, VERSION])?;
        let Self { rows, width, held, text_bytes, pieces } = *self;
        let numbers = [rows, width, held, text_bytes, pieces, described.len()];
        to.list(&numbers.map(|number| number as u64))?;
        to.list(described.as_bytes())?;
        to.align()
    }
}
