//! Reads a part of a file sequentially.

use super::super::content::Content;

/// Maximum bytes of a pickle. Descriptions of tensors are far shorter.
const MAX_PICKLE: u64 = 64 << 20;

/// Bytes that are read from the file at a time.
const CHUNK: u64 = 1 << 16;

pub struct Bytes<'a> {
    content: &'a Content,
    /// The file offset after the buffer, and the end of the range.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl<'a> Bytes<'a> {
    /// Reads from `start` to `end`, which must not exceed the file's length.
    pub fn new(content: &'a Content, start: u64, end: u64) -> Self {
        let end = end.min(start.saturating_add(MAX_PICKLE));
        Self { content, next: start, end, buffer: Vec::new(), used: 0 }
    }

    /// Returns the file offset of the next byte.
    pub fn position(&self) -> u64 {
        self.next - (self.buffer.len() - self.used) as u64
    }

    pub fn byte(&mut self) -> Result<u8, String> {
        if self.used == self.buffer.len() {
            let bytes = CHUNK.min(self.end.saturating_sub(self.next));
            if bytes == 0 {
                return Err("ends in the middle of its pickle".to_owned());
            }
            let chunk = self.content.read_at(self.next, bytes as usize);
            self.buffer = chunk.map_err(|error| error.to_string())?.into_owned();
            self.next += bytes;
            self.used = 0;
        }
        let byte = self.buffer[self.used];
        self.used += 1;
        Ok(byte)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        for byte in &mut array {
            *byte = self.byte()?;
        }
        Ok(array)
    }

    /// Reads a string of `bytes` bytes. Does not allocate them up front: the file may lie.
    pub fn text(&mut self, bytes: u64) -> Result<String, String> {
        let text = (0..bytes).map(|_| self.byte()).collect::<Result<Vec<u8>, _>>()?;
        String::from_utf8(text).map_err(|_| "has a string that is not UTF-8".to_owned())
    }

    /// Reads the rest of a line.
    pub fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        String::from_utf8(line).map_err(|_| "has a name that is not UTF-8".to_owned())
    }
}
