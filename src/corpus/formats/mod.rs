//! The formats of corpus files, one module each. To add one, list it in [`FORMATS`].

mod csv;
mod jsonl;
mod parquet;
mod tsv;

use std::path::Path;

use super::{Collector, CorpusError, Labels};

/// A file format with one sample per row.
pub struct Format {
    /// The file name extensions, without the dot.
    pub endings: &'static [&'static str],
    /// Parses a file's content and pushes every row to the collector.
    pub read: fn(&[u8], &mut Collector) -> Result<(), CorpusError>,
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

/// Accepted names of the columns, in order of preference.
const TEXT: [&str; 3] = ["text", "sentence", "review"];
const LABEL: [&str; 1] = ["label"];
const ID: [&str; 1] = ["id"];

/// Maximum number of columns that an error names.
const NAMED: usize = 20;

/// Indexes of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    text: usize,
    label: Option<usize>,
    id: Option<usize>,
}

impl Columns {
    /// Finds the columns by name. An error says which one is missing.
    fn named<'a>(
        names: impl Iterator<Item = &'a str> + Clone,
        labels: Labels,
    ) -> Result<Self, String> {
        let find = |accepted: &[&str]| {
            let matches =
                |name: &&str| accepted.iter().any(|one| name.trim().eq_ignore_ascii_case(one));
            names.clone().position(|name| matches(&name))
        };
        let required = |accepted: &[&str]| {
            find(accepted).ok_or_else(|| {
                let found: Vec<&str> = names.clone().take(NAMED).collect();
                let more = if names.clone().count() > NAMED { ", …" } else { "" };
                let found = found.join(", ");
                format!("there is no column {}; the columns are {found}{more}", accepted[0])
            })
        };
        let label = match labels {
            Labels::Required => Some(required(&LABEL)?),
            Labels::Optional => find(&LABEL),
        };
        Ok(Self { text: required(&TEXT)?, label, id: find(&ID) })
    }
}

/// Returns the content as text, without a byte order mark. An error has the line number.
fn text(content: &[u8]) -> Result<&str, (usize, String)> {
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
    std::str::from_utf8(content).map_err(|error| {
        let before = &content[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        (line, "is not UTF-8".to_owned())
    })
}
