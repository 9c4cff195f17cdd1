//! The formats of corpus files, one module each. To add one, list it in [`FORMATS`].
//!
//! Rows are read one at a time, so that the memory does not depend on the size of the file.

mod csv;
mod jsonl;
mod lines;
mod parquet;
mod tsv;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bytes::{Buf, Bytes};
use serde_json::{Map, Value};

use super::CorpusError;
use crate::error::Error;

/// A file format with one sample per row.
pub struct Format {
    /// The file name extensions, without the dot.
    pub endings: &'static [&'static str],
    /// What row numbers count: lines or rows.
    pub unit: &'static str,
    /// Begins to read a file. Fails if it has not the columns that are needed.
    pub rows: fn(Reading<'_>) -> Result<Rows, CorpusError>,
}

/// Every format.
pub static FORMATS: &[&Format] = &[&jsonl::FORMAT, &tsv::FORMAT, &csv::FORMAT, &parquet::FORMAT];

/// Returns the format of a file by its extension.
///
/// # Errors
/// Fails if the extension is unknown; the message lists the known ones.
pub fn of(path: &Path) -> Result<&'static Format, CorpusError> {
    let ending = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let ending = ending.to_ascii_lowercase();
    let found = FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()));
    found.copied().ok_or_else(|| {
        let known: Vec<String> =
            FORMATS.iter().flat_map(|f| f.endings).map(|end| format!(".{end}")).collect();
        let path = path.display();
        CorpusError(format!("{path}: the name must end in one of {}", known.join(", ")))
    })
}

/// A row of a file.
#[derive(Debug)]
pub struct Row {
    /// The line on which it begins, or the row of a Parquet file, counted from 1.
    pub number: usize,
    /// Its fields by name, or why they cannot be read. The fields of a table have the first of
    /// their accepted names; a line of JSON is returned as it is.
    pub object: Result<Map<String, Value>, Error>,
}

/// The rows of a file, in order. After an error, the file cannot be read further.
pub type Rows = Box<dyn Iterator<Item = Result<Row, CorpusError>>>;

/// A field of a row, by its accepted names in order of preference.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub names: &'static [&'static str],
    pub needed: Needed,
}

/// Whether a table must have a column for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    Yes,
    No,
}

pub const ID: Field = Field { names: &["id"], needed: Needed::No };
pub const TEXT: Field = Field { names: &["text", "sentence", "review"], needed: Needed::Yes };
pub const TEXT_PAIR: Field = Field { names: &["text_pair"], needed: Needed::No };
pub const LABEL: Field = Field { names: &["label"], needed: Needed::Yes };

impl Field {
    pub const fn optional(self) -> Self {
        Self { needed: Needed::No, ..self }
    }

    /// Returns the first of the accepted names that the object has, and its value.
    pub fn find<'a>(&self, object: &'a Map<String, Value>) -> Option<(&'static str, &'a Value)> {
        self.names.iter().find_map(|name| Some((*name, object.get(*name)?)))
    }
}

/// What to read, and how.
pub struct Reading<'a> {
    /// The name of the file in errors.
    pub source: String,
    pub data: Data,
    /// The fields that tables are searched for.
    pub fields: &'a [Field],
    /// Maximum bytes of a row, and of a column of a Parquet file's row group.
    pub bytes: usize,
}

/// The bytes of a file.
pub enum Data {
    Memory(Bytes),
    Disk(File),
}

impl Data {
    /// Returns the bytes from the start.
    fn buffered(self) -> Box<dyn BufRead> {
        match self {
            Self::Memory(bytes) => Box::new(bytes.reader()),
            Self::Disk(file) => Box::new(BufReader::new(file)),
        }
    }
}

/// Maximum number of columns that an error names.
const NAMED: usize = 20;

/// The indexes of the columns of a table that hold fields.
type Columns = Vec<(usize, Field)>;

/// Finds the columns of `fields` by name. An error says which one is missing.
fn columns<'a>(
    fields: &[Field],
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<Columns, String> {
    let mut found = Columns::new();
    for field in fields {
        let matches =
            |name: &&str| field.names.iter().any(|one| name.trim().eq_ignore_ascii_case(one));
        match names.clone().position(|name| matches(&name)) {
            Some(index) => found.push((index, *field)),
            None if field.needed == Needed::No => {}
            None => {
                let name = field.names[0];
                let known: Vec<&str> = names.clone().take(NAMED).collect();
                let more = if names.clone().count() > NAMED { ", …" } else { "" };
                let known = known.join(", ");
                return Err(format!("there is no column {name}; the columns are {known}{more}"));
            }
        }
    }
    Ok(found)
}

/// Adds a field of a table to a row. In a table without null, an optional field is empty if it is
/// missing.
fn insert(object: &mut Map<String, Value>, field: Field, text: &str) {
    if !text.is_empty() || field.needed == Needed::Yes {
        object.insert(field.names[0].to_owned(), text.into());
    }
}
