//! Reports over data sets: which method to trust for a model, which words drive it, which attention
//! heads matter, and what changes its predictions although it should not.

mod data;
mod document;
pub mod heads;
mod journal;
mod matrix;
mod methods;
mod moments;
mod people;
mod plausibility;
mod plots;
pub mod probe;
mod row;
mod run;
mod summary;
mod svg;
mod texts;
mod verdict;
pub mod words;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

pub use data::{DataError, Example, read};
pub use document::Document;
pub use journal::Journal;
pub use run::{Record, run};
pub use summary::Summary;
pub use texts::{Accumulate, Run, RunError, Scope, Texts, append_counts, subsample};

/// Writes the report on methods into `folder`, which is created if needed. Returns the paths of
/// the files.
pub fn write(folder: &Path, summary: &Summary, records: &[Record]) -> io::Result<Vec<PathBuf>> {
    let mut files = methods::document(summary).files();
    files.push(("records.jsonl".to_owned(), lines(records)));
    write_files(folder, files)
}

/// Writes files, given by name and content, into `folder`, which is created if needed. Returns
/// their paths.
pub fn write_files(folder: &Path, files: Vec<(String, String)>) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    files
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path)
        })
        .collect()
}

/// Returns the measurements as JSON lines, one per text.
fn lines(records: &[Record]) -> String {
    let line = |record: &Record| {
        let methods: serde_json::Map<String, serde_json::Value> = record
            .methods
            .iter()
            .map(|method| {
                let mut values = json!({
                    "compute_ms": method.compute.as_secs_f64() * 1e3,
                    "forward_rows": method.forward_rows,
                    "gradient_rows": method.gradient_rows,
                });
                for (name, value) in &method.measures {
                    values[name] = json!(value);
                }
                (method.name.clone(), values)
            })
            .collect();
        let line = json!({
            "number": record.number,
            "predicted": record.predicted,
            "correct": record.correct,
            "methods": methods,
        });
        format!("{line}\n")
    };
    records.iter().map(line).collect()
}
