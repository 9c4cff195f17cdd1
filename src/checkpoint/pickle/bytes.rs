//! Reads a file from one place to the next, never more than it has.

use super::super::content::Content;

/// The longest pickle that is read: a description of tensors is far shorter.
const LONGEST: u64 = 64 << 20;

/// Bytes that are fetched at a time.
const PIECE: u64 = 1 << 16;

pub struct Bytes<'a> {
    content: &'a Content,
    /// The place in the file after the buffer, and where reading must end.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl<'a> Bytes<'a> {
    /// `end` is not beyond the end of the file.
    pub fn new(content: &'a Content, start: u64, end: u64) -> Self {
        let end = end.min(start.saturating_add(LONGEST));
        Self { content, next: start, end, buffer: Vec::new(), used: 0 }
    }

    /// The place in the file of the byte that is read next.
    pub fn place(&self) -> u64 {
        self.next - (self.buffer.len() - self.used) as u64
    }

    pub fn byte(&mut self) -> Result<u8, String> {
        if self.used == self.buffer.len() {
            let bytes = PIECE.min(self.end.saturating_sub(self.next));
            if bytes == 0 {
                return Err("ends in the middle of its pickle".to_owned());
            }
            let piece = self.content.read_at(self.next, bytes as usize);
            self.buffer = piece.map_err(|error| error.to_string())?.into_owned();
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

    /// A string of as many bytes as it says of itself. It grows as it is read.
    pub fn text(&mut self, bytes: u64) -> Result<String, String> {
        let text = (0..bytes).map(|_| self.byte()).collect::<Result<Vec<u8>, _>>()?;
        String::from_utf8(text).map_err(|_| "has a string that is no UTF-8".to_owned())
    }

    /// The rest of a line.
    pub fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        String::from_utf8(line).map_err(|_| "has a name that is no UTF-8".to_owned())
    }
}
