//! Reads and writes arrays of numbers, with a running checksum.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use bytemuck::Pod;
use crc32fast::Hasher;

/// Alignment of the vectors in bytes.
const ALIGNMENT: u64 = 64;

/// Read buffer size in bytes.
const BUFFER_SIZE: usize = 1 << 20;

pub struct Reader<'a> {
    file: BufReader<&'a File>,
    checksum: Hasher,
    position: u64,
}

impl<'a> Reader<'a> {
    pub fn new(file: &'a File) -> Self {
        let file = BufReader::with_capacity(BUFFER_SIZE, file);
        Self { file, checksum: Hasher::new(), position: 0 }
    }

    /// Returns the number of bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads the next `count` numbers.
    pub fn list<T: Pod>(&mut self, count: usize) -> io::Result<Vec<T>> {
        let mut list = vec![T::zeroed(); count];
        let bytes = bytemuck::cast_slice_mut(&mut list);
        self.file.read_exact(bytes)?;
        self.checksum.update(bytes);
        self.position += bytes.len() as u64;
        Ok(list)
    }

    /// Skips `bytes` bytes, and includes them in the checksum.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut buffer = vec![0; bytes.min(BUFFER_SIZE as u64) as usize];
        let mut remaining = bytes;
        while remaining > 0 {
            let part = &mut buffer[..remaining.min(BUFFER_SIZE as u64) as usize];
            self.file.read_exact(part)?;
            self.checksum.update(part);
            remaining -= part.len() as u64;
        }
        self.position += bytes;
        Ok(())
    }

    /// Skips to the next multiple of [`ALIGNMENT`].
    pub fn align(&mut self) -> io::Result<()> {
        self.skip(self.position.next_multiple_of(ALIGNMENT) - self.position)
    }

    /// Reads the checksum at the end of the file and compares it.
    pub fn finish(mut self) -> io::Result<()> {
        let computed = self.checksum.clone().finalize();
        match self.list::<u32>(1)? == [computed] {
            true => Ok(()),
            false => Err(io::Error::other("is corrupted: the checksum does not match")),
        }
    }
}

pub struct Writer<'a> {
    file: BufWriter<&'a File>,
    checksum: Hasher,
    position: u64,
}

impl<'a> Writer<'a> {
    pub fn new(file: &'a File) -> Self {
        Self { file: BufWriter::new(file), checksum: Hasher::new(), position: 0 }
    }

    pub fn list<T: Pod>(&mut self, list: &[T]) -> io::Result<()> {
        let bytes = bytemuck::cast_slice(list);
        self.checksum.update(bytes);
        self.position += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    pub fn align(&mut self) -> io::Result<()> {
        let padding = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.list(&vec![0_u8; padding as usize])
    }

    /// Writes the checksum.
    pub fn finish(mut self) -> io::Result<BufWriter<&'a File>> {
        let checksum = self.checksum.clone().finalize();
        self.list(&[checksum])?;
        Ok(self.file)
    }
}
