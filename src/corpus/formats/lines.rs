//! The lines of a text file.

use std::io::{self, BufRead, Read};

use super::{CorpusError, Reading};
use crate::error::{Code, Error};

/// Reads the lines that are not blank. A line over the limit is skipped, not held in memory.
pub struct Lines {
    source: String,
    content: Box<dyn BufRead>,
    bytes: usize,
    number: usize,
}

/// The number of a line, counted from 1, and its text, or why it has none.
pub type Line = (usize, Result<String, Error>);

impl Lines {
    pub fn of(reading: Reading<'_>) -> Self {
        let Reading { source, data, bytes, .. } = reading;
        Self { source, content: data.buffered(), bytes, number: 0 }
    }

    /// Reads the next line with its line break; `None` at the end of the file.
    fn read(&mut self) -> io::Result<Option<Result<Vec<u8>, Error>>> {
        let mut line = Vec::new();
        let most = self.bytes as u64 + 1;
        let length = (&mut self.content).take(most).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if length > self.bytes && !line.ends_with(b"\n") {
            self.content.skip_until(b'\n')?;
            let detail = format!("the line has more than {} bytes", self.bytes);
            return Ok(Some(Err(Error::new(Code::PayloadTooLarge, detail))));
        }
        Ok(Some(Ok(line)))
    }

    fn text(&self, line: Vec<u8>) -> Result<String, Error> {
        let not_utf8 = |_| Error::new(Code::InvalidJson, "the line is not UTF-8");
        let mut text = String::from_utf8(line).map_err(not_utf8)?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        // The byte order mark that some editors write.
        match text.strip_prefix('\u{feff}').filter(|_| self.number == 1) {
            Some(rest) => Ok(rest.to_owned()),
            None => Ok(text),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.read() {
                Ok(line) => line?.and_then(|line| self.text(line)),
                Err(error) => return Some(Err(CorpusError::of(&self.source, error))),
            };
            if !line.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                return Some(Ok((self.number, line)));
            }
        }
    }
}
