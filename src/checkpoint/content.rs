//! The content of files. Small files are read at once, weights in parts, so that they are
//! never in memory twice.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::files::{self, read_exact_at};

/// Maximum bytes of a file that is read at once. A tokenizer with 250,000 pieces takes a
/// quarter of it.
const MAX_SMALL: u64 = 64 << 20;

/// A file of any size.
#[derive(Debug)]
pub enum Content {
    Memory(&'static [u8]),
    Disk(File),
}

impl Content {
    pub fn len(&self) -> io::Result<u64> {
        match self {
            Self::Memory(data) => Ok(data.len() as u64),
            Self::Disk(file) => Ok(file.metadata()?.len()),
        }
    }

    /// Reads `bytes` bytes from `start`; an error if the file is shorter. Allocates before it
    /// reads: callers must have checked `bytes` against the file's length.
    pub fn read_at(&self, start: u64, bytes: usize) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Self::Memory(data) => Ok(slice(data, start, bytes)?.into()),
            Self::Disk(file) => {
                let mut part = vec![0; bytes];
                read_exact_at(file, &mut part, start)?;
                Ok(part.into())
            }
        }
    }

    /// Fills `part` with the bytes from `start`.
    pub fn read_into(&self, start: u64, part: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(data) => part.copy_from_slice(slice(data, start, part.len())?),
            Self::Disk(file) => read_exact_at(file, part, start)?,
        }
        Ok(())
    }
}

fn slice(data: &'static [u8], start: u64, bytes: usize) -> io::Result<&'static [u8]> {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    data.get(start..start.saturating_add(bytes)).ok_or(io::ErrorKind::UnexpectedEof.into())
}

/// Reads a whole file; an error if it is larger than 64 MiB.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, MAX_SMALL)
}
