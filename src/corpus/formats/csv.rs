//! Comma-separated values, quoted as in RFC 4180, with a header line.

use ::csv::{ReaderBuilder, StringRecord};

use super::{Columns, Format};
use crate::corpus::{Collector, CorpusError};

pub static FORMAT: Format = Format { endings: &["csv"], read };

fn read(content: &[u8], into: &mut Collector) -> Result<(), CorpusError> {
    let mut reader = ReaderBuilder::new().from_reader(content);
    let names = reader.headers().map_err(|error| csv_error(&error, into))?.clone();
    let columns = Columns::named(names.iter(), into.labels)
        .map_err(|reason| into.wrong("line", 1, reason))?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error, into))? {
        let line = record.position().map_or(0, |position| position.line() as usize);
        let field = |column: usize| record.get(column).unwrap_or_default().to_owned();
        let id = columns.id.map(field).filter(|id| !id.is_empty());
        into.push("line", line, field(columns.text), columns.label.map(field), id)?;
    }
    Ok(())
}

fn csv_error(error: &::csv::Error, into: &Collector) -> CorpusError {
    let line = error.position().map_or(1, |position| position.line() as usize);
    let reason = match error.kind() {
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        ::csv::ErrorKind::Utf8 { err, .. } => format!("field {} is not UTF-8", err.field() + 1),
        _ => error.to_string(),
    };
    into.wrong("line", line, reason)
}
