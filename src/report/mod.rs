//! Methods measured over a data set: which one should be trusted for this model?

mod data;
mod markdown;
mod page;
mod plots;
mod run;
mod summary;
mod verdict;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

pub use data::{DataError, Example, read};
pub use run::{Record, run};
pub use summary::Summary;

/// Writes everything into `folder`, which is made if it is not there; the files
/// that were written.
pub fn write(folder: &Path, summary: &Summary, records: &[Record]) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let plots = plots::all(summary);
    let mut files = vec![
        ("report.md".to_owned(), markdown::render(summary, &plots)),
        ("report.html".to_owned(), page::render(summary, &plots)),
        ("records.jsonl".to_owned(), lines(records)),
    ];
    files.extend(plots.into_iter().map(|plot| (plot.file.to_owned(), plot.svg)));
    files
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path)
        })
        .collect()
}

/// What was measured of each text, a line each.
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
        json!({ "number": record.number, "predicted": record.predicted, "methods": methods })
            .to_string()
            + "\n"
    };
    records.iter().map(line).collect()
}
