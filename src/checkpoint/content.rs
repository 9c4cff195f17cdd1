//! A file's content. Small ones are read at once; weights piece by piece, so
//! that they are never in memory twice.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::files;

/// The largest file that is read at once; vocabularies of 250,000 pieces take
/// a quarter of it. A larger one is no tokenizer and no configuration.
const SMALL: u64 = 64 << 20;

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

    /// Fails where the file ends before `start + bytes`. The caller has held
    /// `bytes` against the file's length.
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

    /// Fills `part` from `start` on.
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

/// Reads a file that must be small.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, SMALL)
}

/// Reads from a place in a file without moving a position that threads share.
#[cfg(unix)]
fn read_exact_at(file: &File, part: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, part, start)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut part: &mut [u8], mut start: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !part.is_empty() {
        match file.seek_read(part, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                part = &mut part[read..];
                start += read as u64;
            }
        }
    }
    Ok(())
}
