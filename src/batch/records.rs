//! The rows of an input file, as inputs of a question.

use std::path::Path;

use serde_json::{Map, Value};

use super::Shard;
use crate::config::Limits;
use crate::corpus::{self, CorpusError, Field, ID, Needed, Row, TEXT, TEXT_PAIR};
use crate::error::Error;
use crate::http;
use crate::text::Input;

const WORDS: Field = Field { names: &["words"], needed: Needed::No };
const SPANS: Field = Field { names: &["spans"], needed: Needed::No };
const RATIONALE: Field = Field { names: &["rationale"], needed: Needed::No };

/// The columns of tables.
const COLUMNS: [Field; 3] = [ID, TEXT, TEXT_PAIR];

/// The fields of a line of JSON. Others, such as labels, are ignored.
const FIELDS: [Field; 6] = [ID, TEXT, TEXT_PAIR, WORDS, SPANS, RATIONALE];

/// Bytes of texts from which the script of the input is found.
const SAMPLE: usize = 1 << 16;

/// A row.
#[derive(Debug)]
pub struct Record {
    /// Its own id, or the number of its line or row.
    pub id: String,
    /// What to explain, or why it cannot be read.
    pub input: Result<Input, Error>,
}

/// The records of a shard, in order.
pub type Records = std::iter::Peekable<Box<dyn Iterator<Item = Result<Record, CorpusError>>>>;

/// Begins to read the records of a shard. Errors of rows are part of their records.
///
/// # Errors
/// Fails if the file is of no known format, cannot be read, or has no column of texts.
pub fn records(path: &Path, shard: Shard, limits: &Limits) -> Result<Records, CorpusError> {
    let limits = limits.clone();
    let rows = rows(path, &limits)?.enumerate();
    // A row that cannot be read ends every shard.
    let own = rows.filter(move |(index, row)| row.is_err() || shard.has(*index));
    let records = own.map(move |(_, row)| row.map(|row| record(row, &limits)));
    let records: Box<dyn Iterator<Item = _>> = Box::new(records);
    Ok(records.peekable())
}

fn rows(path: &Path, limits: &Limits) -> Result<corpus::Rows, CorpusError> {
    // A column of a Parquet file's row group is larger than the body of a request.
    let bytes = match path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet")) {
        true => limits.corpus_bytes,
        false => limits.body_bytes,
    };
    corpus::rows(path, &COLUMNS, bytes)
}

fn record(row: Row, limits: &Limits) -> Record {
    let own_id = row.object.as_ref().ok().and_then(|object| match object.get(ID.names[0])? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    let input = row.object.and_then(|object| {
        let known = FIELDS.iter().filter_map(|field| {
            let (_, value) = field.find(&object)?;
            Some((field.names[0].to_owned(), value.clone()))
        });
        let object = Value::Object(known.collect::<Map<_, _>>());
        http::input(limits, object.to_string().as_bytes())
    });
    Record { id: own_id.unwrap_or_else(|| row.number.to_string()), input }
}

/// What is known of an input before its rows are explained.
#[derive(Debug)]
pub struct Survey {
    /// Number of rows of the shard.
    pub rows: usize,
    /// Digest of the whole file.
    pub digest: String,
    /// The first texts of the file.
    pub sample: String,
    /// Whether the first row has two texts.
    pub is_paired: bool,
}

impl Survey {
    /// Reads the whole file.
    ///
    /// # Errors
    /// Fails if the file cannot be read to its end.
    pub fn of(path: &Path, shard: Shard, limits: &Limits) -> Result<Self, CorpusError> {
        let rows = rows(path, limits)?;
        let digest = corpus::file_digest(path)?;
        let mut survey = Self { rows: 0, digest, sample: String::new(), is_paired: false };
        for (index, row) in rows.enumerate() {
            let row = row?;
            survey.rows += usize::from(shard.has(index));
            if survey.sample.len() < SAMPLE
                && let Ok(input) = record(row, limits).input
            {
                survey.is_paired |= survey.sample.is_empty() && input.text_pair.is_some();
                survey.sample.push_str(&input.text);
                survey.sample.push('\n');
            }
        }
        Ok(survey)
    }
}
