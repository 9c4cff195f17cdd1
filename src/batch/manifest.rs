//! A file beside the output that says what it is of: the input, the model and the options, and how
//! many lines it has once it is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What an output has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub lines: usize,
    /// Lines with an error.
    pub failed: usize,
}

impl Counts {
    pub fn add(&mut self, is_error: bool) {
        self.lines += 1;
        self.failed += usize::from(is_error);
    }
}

/// The manifest of an output.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
}

/// The content of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// What identifies the run.
    pub run: Value,
    /// Set once the output is complete.
    pub counts: Option<Counts>,
}

impl Manifest {
    pub fn of(output: &Path) -> Self {
        Self { path: beside(output, ".run.json") }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the content, or `None` if there is no such file.
    pub fn read(&self) -> io::Result<Option<Known>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let mut content: Value = serde_json::from_slice(&text)?;
        let count = |name: &str| usize::try_from(content[name].as_u64()?).ok();
        let counts = count("lines").zip(count("failed"));
        let counts = counts.map(|(lines, failed)| Counts { lines, failed });
        Ok(Some(Known { run: content["run"].take(), counts }))
    }

    /// Replaces the content in one step, so that it is never half-written.
    pub fn write(&self, known: &Known) -> io::Result<()> {
        let content = match known.counts {
            Some(Counts { lines, failed }) => {
                json!({ "run": known.run, "lines": lines, "failed": failed })
            }
            None => json!({ "run": known.run }),
        };
        let new = beside(&self.path, ".new");
        let mut file = File::create(&new)?;
        writeln!(file, "{content:#}")?;
        file.sync_all()?;
        fs::rename(new, &self.path)
    }
}

/// Returns the path with an ending added to its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Says in what two runs differ; `None` if they are the same.
pub fn difference(known: &Value, run: &Value) -> Option<String> {
    const PARTS: [(&str, &str); 6] = [
        ("input", "another input"),
        ("model", "another model"),
        ("revision", "another revision of the model"),
        ("request", "other options"),
        ("shard", "another shard"),
        ("version", "another version of explaind"),
    ];
    let parts: Vec<String> = PARTS
        .iter()
        .filter(|(name, _)| known[name] != run[name])
        .map(|(name, what)| format!("{what} ({}, now {})", known[name], run[name]))
        .collect();
    (known != run).then(|| parts.join(", "))
}
