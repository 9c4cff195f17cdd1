//! Corpora of labelled texts, such as a model's training data: reads them from files, embeds them
//! with the model once, stores the index, and searches for the samples most similar to an input.
//!
//! The reasons for the design: docs/concepts/evidence.md.

mod calibration;
#[cfg(feature = "pgvector")]
pub mod database;
mod embed;
mod formats;
mod frequencies;
mod index;
mod local;
mod location;
mod search;
pub mod states;
mod store;

use std::fmt::Display;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use calibration::{Calibration, NEIGHBOURS};
pub use embed::{Embedded, Progress, embed, vector};
pub use formats::{FORMATS, Field, ID, Needed, Row, Rows, TEXT, TEXT_PAIR};
pub use frequencies::Frequencies;
pub use index::{Found, Index, Key, SearchQuery};
pub use location::{Address, Location, Store};
pub use search::Nearest;
pub use states::{Representation, Similarity};
pub use store::{open, write};

use crate::files;
use formats::{Data, LABEL, Reading};

/// One labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The id in the corpus, or the 0-based row number.
    pub id: String,
    pub text: String,
    /// The second text, for models that read two. Only reports read it.
    pub text_pair: Option<String>,
    /// The name or the index of one of the model's labels.
    pub label: String,
}

/// A human-readable error that names the file, the line or row, and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CorpusError(pub String);

impl CorpusError {
    /// Creates an error about a whole file.
    fn of(source: &str, reason: impl Display) -> Self {
        Self(format!("{source}: {reason}"))
    }

    /// Creates an error about a line or row, counted from 1.
    fn at(source: &str, unit: &str, number: usize, reason: impl Display) -> Self {
        Self(format!("{source}, {unit} {number}: {reason}"))
    }
}

/// Limits on the size of a corpus.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of samples.
    pub rows: usize,
    /// Maximum bytes of the file, and of its texts in total.
    pub bytes: usize,
}

/// A corpus in memory, with the digest of its source.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub samples: Vec<Sample>,
    /// `sha256:…`
    pub digest: String,
}

/// The content of a file before parsing.
pub struct Content {
    /// The name of the file in error messages.
    source: String,
    format: &'static formats::Format,
    bytes: Vec<u8>,
    pub digest: String,
}

impl Content {
    /// Reads a file of at most `limits.bytes` bytes.
    ///
    /// # Errors
    /// Fails if the extension is unknown, or if the file cannot be read or is too large.
    pub fn read(path: &Path, limits: Limits) -> Result<Self, CorpusError> {
        let source = path.display().to_string();
        let format = formats::of(path)?;
        let bytes = files::read(path, limits.bytes as u64)
            .map_err(|error| CorpusError::of(&source, error))?;
        let digest = digest(&bytes);
        Ok(Self { source, format, bytes, digest })
    }

    /// Parses all samples.
    ///
    /// # Errors
    /// Fails at the first invalid row; the message has its line or row number.
    pub fn corpus(self, limits: Limits) -> Result<Corpus, CorpusError> {
        self.parse(limits, Purpose::Index)
    }

    /// Parses all samples of a file that may have second texts, and need not have labels; missing
    /// ones are empty.
    ///
    /// # Errors
    /// See [`Self::corpus`].
    pub fn texts(self, limits: Limits) -> Result<Corpus, CorpusError> {
        self.parse(limits, Purpose::Report)
    }

    fn parse(self, limits: Limits, purpose: Purpose) -> Result<Corpus, CorpusError> {
        let Self { source, format, bytes, digest } = self;
        let fields = purpose.fields();
        let data = Data::Memory(bytes.into());
        let mut into = Collector::new(source.clone(), format.unit, limits, purpose);
        for row in (format.rows)(Reading { source, data, fields, bytes: limits.bytes })? {
            into.push(row?)?;
        }
        Ok(Corpus { samples: into.finish()?, digest })
    }
}

/// Begins to read the rows of a file of any size, one at a time: `fields` of tables, and whole
/// lines of JSON. A row over `bytes` bytes is an error.
///
/// # Errors
/// Fails if the extension is unknown, the file cannot be read, or a column is missing.
pub fn rows(path: &Path, fields: &[Field], bytes: usize) -> Result<Rows, CorpusError> {
    let (source, format) = (path.display().to_string(), formats::of(path)?);
    let file = files::open(path).map_err(|error| CorpusError::of(&source, error))?;
    (format.rows)(Reading { source, data: Data::Disk(file), fields, bytes })
}

/// Returns the digest of a file of any size.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn file_digest(path: &Path) -> Result<String, CorpusError> {
    const PART: usize = 1 << 20;
    let failed = |error: io::Error| CorpusError::of(&path.display().to_string(), error);
    let mut file = files::open(path).map_err(failed)?;
    let (mut hasher, mut part) = (Sha256::new(), vec![0; PART]);
    loop {
        match file.read(&mut part).map_err(failed)? {
            0 => return Ok(hex_digest(&hasher.finalize())),
            read => hasher.update(&part[..read]),
        }
    }
}

impl Corpus {
    /// Creates a corpus from samples in a request.
    pub fn of_samples(samples: Vec<Sample>) -> Self {
        let mut hasher = Sha256::new();
        for part in samples.iter().flat_map(|s| [&s.id, &s.text, &s.label]) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self { samples, digest: hex_digest(&hasher.finalize()) }
    }

    /// Parses a corpus that is embedded in the binary as JSON Lines.
    ///
    /// # Errors
    /// See [`Content::corpus`].
    pub fn built_in(name: &str, lines: &[u8], limits: Limits) -> Result<Self, CorpusError> {
        let path = format!("{name}.jsonl");
        let format = formats::of(Path::new(&path))?;
        let digest = digest(lines);
        Content { source: path, format, bytes: lines.to_vec(), digest }.corpus(limits)
    }
}

fn digest(bytes: &[u8]) -> String {
    hex_digest(&Sha256::digest(bytes))
}

fn hex_digest(digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Checks that a file has a known extension.
///
/// # Errors
/// Fails if it has none.
pub fn check_name(path: &Path) -> Result<(), CorpusError> {
    formats::of(path).map(|_| ())
}

/// What samples are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The search for similar samples: every sample has a label.
    Index,
    /// A report over texts or pairs of texts, with or without labels.
    Report,
}

impl Purpose {
    const fn fields(self) -> &'static [Field] {
        const INDEX: [Field; 3] = [TEXT, LABEL, ID];
        const REPORT: [Field; 4] = [TEXT, TEXT_PAIR, LABEL.optional(), ID];
        match self {
            Self::Index => &INDEX,
            Self::Report => &REPORT,
        }
    }
}

/// Collects samples, and enforces the limits.
struct Collector {
    source: String,
    unit: &'static str,
    limits: Limits,
    purpose: Purpose,
    samples: Vec<Sample>,
    bytes: usize,
}

impl Collector {
    fn new(source: String, unit: &'static str, limits: Limits, purpose: Purpose) -> Self {
        Self { source, unit, limits, purpose, samples: Vec::new(), bytes: 0 }
    }

    fn push(&mut self, row: Row) -> Result<(), CorpusError> {
        let wrong = |reason| CorpusError::at(&self.source, self.unit, row.number, reason);
        let object = row.object.map_err(|error| wrong(error.detail))?;
        let mut sample = sample(&object, self.purpose).map_err(wrong)?;
        let Limits { rows, bytes } = self.limits;
        if self.samples.len() == rows {
            let detail = format!("more than {rows} samples (limits.corpus_rows)");
            return Err(CorpusError::of(&self.source, detail));
        }
        let Sample { id, text, text_pair, label } = &sample;
        let pair = text_pair.as_ref().map_or(0, String::len);
        self.bytes += id.len() + text.len() + pair + label.len();
        if self.bytes > bytes {
            return Err(wrong(format!("the texts exceed {bytes} bytes (limits.corpus_bytes)")));
        }
        if sample.id.is_empty() {
            sample.id = self.samples.len().to_string();
        }
        self.samples.push(sample);
        Ok(())
    }

    fn finish(self) -> Result<Vec<Sample>, CorpusError> {
        match self.samples.is_empty() {
            true => Err(CorpusError(format!("{} has no samples", self.source))),
            false => Ok(self.samples),
        }
    }
}

/// Returns the sample of a row; its id is empty if it has none.
fn sample(object: &Map<String, Value>, purpose: Purpose) -> Result<Sample, String> {
    let value = |field: &Field| {
        let (name, value) = field.find(object).unwrap_or((field.names[0], &Value::Null));
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) if ![TEXT.names[0], TEXT_PAIR.names[0]].contains(&name) => {
                Ok(Some(number.to_string()))
            }
            Value::Bool(flag) if name == LABEL.names[0] => Ok(Some(u8::from(*flag).to_string())),
            _ => Err(format!("{name} is not a string")),
        }
    };
    let filled = |name: &str, value: Option<String>| match value {
        None => Err(format!("there is no {name}")),
        Some(value) if value.trim().is_empty() => Err(format!("{name} is empty")),
        Some(value) => Ok(value),
    };
    let text = filled("text", value(&TEXT)?)?;
    let (text_pair, label) = match purpose {
        Purpose::Index => (None, filled("label", value(&LABEL)?)?),
        Purpose::Report => (value(&TEXT_PAIR)?, value(&LABEL)?.unwrap_or_default()),
    };
    Ok(Sample { id: value(&ID)?.unwrap_or_default(), text, text_pair, label })
}

#[cfg(test)]
mod tests;
