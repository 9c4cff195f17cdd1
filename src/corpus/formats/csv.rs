//! Comma-separated values, quoted as in RFC 4180, with a header line.

use std::io::{self, BufRead, Read};

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::{Columns, CorpusError, Format, Reading, Row, Rows, columns, insert};
use crate::error::{Code, Error};

pub static FORMAT: Format = Format { endings: &["csv"], unit: "line", rows };

fn rows(reading: Reading<'_>) -> Result<Rows, CorpusError> {
    let Reading { source, data, fields, bytes } = reading;
    let content = Capped { content: data.buffered(), left: bytes, bytes };
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(content);
    let names = reader.headers().map_err(|error| CorpusError::at(&source, "line", 1, error))?;
    let columns = columns(fields, names.iter())
        .map_err(|reason| CorpusError::at(&source, "line", 1, reason))?;
    let table = Table { source, columns, count: names.len(), reader, record: ByteRecord::new() };
    Ok(Box::new(table))
}

struct Table {
    source: String,
    columns: Columns,
    /// Number of columns.
    count: usize,
    reader: Reader<Capped>,
    record: ByteRecord,
}

impl Iterator for Table {
    type Item = Result<Row, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.get_mut().reset();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let number = self.record.position().map_or(0, |place| place.line() as usize);
                Some(Ok(Row { number, object: self.object() }))
            }
            Err(error) => {
                let line = self.reader.position().line() as usize;
                Some(Err(CorpusError::at(&self.source, "line", line, error)))
            }
        }
    }
}

impl Table {
    /// Returns the fields of the record that was read last.
    fn object(&self) -> Result<Map<String, Value>, Error> {
        let invalid = |detail: String| Error::new(Code::InvalidField, detail);
        if self.record.len() != self.count {
            let (found, count) = (self.record.len(), self.count);
            return Err(invalid(format!("{found} fields, but the header has {count}")));
        }
        let mut object = Map::new();
        for &(index, field) in &self.columns {
            let value = std::str::from_utf8(self.record.get(index).unwrap_or_default())
                .map_err(|_| invalid(format!("field {} is not UTF-8", index + 1)))?;
            insert(&mut object, field, value);
        }
        Ok(object)
    }
}

/// Fails if a record is over the limit: after a quote without its end, the rest of the file would
/// be one field.
struct Capped {
    content: Box<dyn BufRead>,
    /// Bytes that may still be read for the current record.
    left: usize,
    bytes: usize,
}

impl Capped {
    /// Begins the next record. What is buffered of it counts for the last one.
    fn reset(&mut self) {
        self.left = self.bytes;
    }
}

impl Read for Capped {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.content.fill_buf()?.is_empty() {
            let reason =
                format!("a record has more than {} bytes; is a quote missing?", self.bytes);
            return Err(io::Error::other(reason));
        }
        let most = part.len().min(self.left);
        let read = self.content.read(&mut part[..most])?;
        self.left -= read;
        Ok(read)
    }
}
