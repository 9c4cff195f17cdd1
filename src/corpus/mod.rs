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
use std::path::Path;

use sha2::{Digest, Sha256};

pub use calibration::{Calibration, NEIGHBOURS};
pub use embed::{Embedded, Progress, embed, vector};
pub use formats::FORMATS;
pub use frequencies::Frequencies;
pub use index::{Found, Index, Key, SearchQuery};
pub use location::{Address, Location, Store};
pub use search::Nearest;
pub use states::{Representation, Similarity};
pub use store::{open, write};

use crate::files;

/// One labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The id in the corpus, or the 0-based row number.
    pub id: String,
    pub text: String,
    /// The name or the index of one of the model's labels.
    pub label: String,
}

/// A human-readable error that names the file, the line or row, and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CorpusError(pub String);

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
            .map_err(|error| CorpusError(format!("{source}: {error}")))?;
        let digest = digest(&bytes);
        Ok(Self { source, format, bytes, digest })
    }

    /// Parses all samples.
    ///
    /// # Errors
    /// Fails at the first invalid row; the message has its line or row number.
    pub fn corpus(self, limits: Limits) -> Result<Corpus, CorpusError> {
        self.parse(limits, Labels::Required)
    }

    /// Parses all samples of a file that need not have labels; missing ones are empty.
    ///
    /// # Errors
    /// See [`Self::corpus`].
    pub fn texts(self, limits: Limits) -> Result<Corpus, CorpusError> {
        self.parse(limits, Labels::Optional)
    }

    fn parse(self, limits: Limits, labels: Labels) -> Result<Corpus, CorpusError> {
        let mut into = Collector::new(self.source, limits, labels);
        (self.format.read)(&self.bytes, &mut into)?;
        Ok(Corpus { samples: into.finish()?, digest: self.digest })
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

/// Whether every sample must have a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Required,
    Optional,
}

/// Collects the rows that a format parses, and enforces the limits.
pub struct Collector {
    source: String,
    limits: Limits,
    labels: Labels,
    samples: Vec<Sample>,
    bytes: usize,
}

impl Collector {
    fn new(source: String, limits: Limits, labels: Labels) -> Self {
        Self { source, limits, labels, samples: Vec::new(), bytes: 0 }
    }

    fn source(&self) -> &str {
        &self.source
    }

    /// Creates an error for line or row `number`, counted from 1.
    fn wrong(&self, unit: &str, number: usize, reason: impl Display) -> CorpusError {
        CorpusError(format!("{}, {unit} {number}: {reason}", self.source))
    }

    /// Returns an error if `rows` exceeds the limit; formats call it before reading rows.
    fn expect(&self, rows: usize) -> Result<(), CorpusError> {
        match rows > self.limits.rows {
            true => Err(self.too_many()),
            false => Ok(()),
        }
    }

    /// Returns an error if so many bytes of text exceed the limit; formats call it before they
    /// decompress texts.
    fn expect_bytes(&self, bytes: usize) -> Result<(), CorpusError> {
        match bytes > self.limits.bytes {
            true => Err(CorpusError(format!("{}: {}", self.source, self.too_large()))),
            false => Ok(()),
        }
    }

    fn too_large(&self) -> String {
        format!("the texts exceed {} bytes (limits.corpus_bytes)", self.limits.bytes)
    }

    fn too_many(&self) -> CorpusError {
        let Self { source, limits, .. } = self;
        CorpusError(format!("{source}: more than {} samples (limits.corpus_rows)", limits.rows))
    }

    fn push(
        &mut self,
        unit: &str,
        number: usize,
        text: String,
        label: Option<String>,
        id: Option<String>,
    ) -> Result<(), CorpusError> {
        self.expect(self.samples.len() + 1)?;
        let label = label.unwrap_or_default();
        let is_blank = |value: &String| value.trim().is_empty();
        if is_blank(&text) {
            return Err(self.wrong(unit, number, "text is empty"));
        }
        if self.labels == Labels::Required && is_blank(&label) {
            return Err(self.wrong(unit, number, "label is empty"));
        }
        self.bytes += text.len() + label.len() + id.as_ref().map_or(0, String::len);
        if self.bytes > self.limits.bytes {
            return Err(self.wrong(unit, number, self.too_large()));
        }
        let id = id.unwrap_or_else(|| self.samples.len().to_string());
        self.samples.push(Sample { id, text, label });
        Ok(())
    }

    fn finish(self) -> Result<Vec<Sample>, CorpusError> {
        match self.samples.is_empty() {
            true => Err(CorpusError(format!("{} has no samples", self.source))),
            false => Ok(self.samples),
        }
    }
}

#[cfg(test)]
mod tests;
