//! JSON Lines: one object per line, with `text`, `label` and an optional `id`.

use super::lines::Lines;
use super::{CorpusError, Format, Reading, Row, Rows};
use crate::error::{Code, Error};

pub static FORMAT: Format = Format { endings: &["jsonl", "ndjson"], unit: "line", rows };

fn rows(reading: Reading<'_>) -> Result<Rows, CorpusError> {
    let lines = Lines::of(reading);
    Ok(Box::new(lines.map(|line| {
        let (number, text) = line?;
        let invalid = |error: serde_json::Error| Error::new(Code::InvalidJson, error.to_string());
        let object = text.and_then(|text| serde_json::from_str(&text).map_err(invalid));
        Ok(Row { number, object })
    })))
}
