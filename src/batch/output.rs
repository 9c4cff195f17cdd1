//! The output of a run: lines are appended to a partial file, which becomes the output once it is
//! complete.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::manifest::{Counts, Known, Manifest, beside, difference};
use super::{BatchError, Line, Records, columns};

/// The format of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    JsonLines,
    Parquet,
}

impl Form {
    /// Returns the format of a file by its extension.
    pub fn of(path: &Path) -> Result<Self, String> {
        let ending = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "parquet" => Ok(Self::Parquet),
            _ => Err(format!("{}: the name must end in .jsonl or .parquet", path.display())),
        }
    }
}

/// An output that lines can be added to. It is locked until it is dropped.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    form: Form,
    manifest: Manifest,
    run: Value,
    partial: File,
    counts: Counts,
    longest: usize,
}

/// The state of an output.
#[derive(Debug)]
pub enum Opened {
    Complete(Counts),
    /// Its lines so far are the results of the records that were taken.
    Partial(Output),
}

/// What is checked of a line.
#[derive(Deserialize)]
struct Found {
    id: String,
    error: Option<IgnoredAny>,
}

impl Output {
    /// Opens the output of the run that `run` identifies. Takes the records from `records` that
    /// have a whole line already; a line that was cut, and what follows it, is dropped.
    ///
    /// # Errors
    /// Fails if there are lines of another run, if another process adds lines, or if the files
    /// cannot be read or written.
    pub fn open(
        path: &Path,
        form: Form,
        run: &Value,
        records: &mut Records,
    ) -> Result<Opened, BatchError> {
        let (manifest, partial) = (Manifest::of(path), partial_of(path));
        let unread = |error| BatchError::Output(manifest.path().to_owned(), error);
        let known = manifest.read().map_err(unread)?;
        if path.exists() {
            let counts = complete(path, known, run)?;
            // Left behind if the process ended between the last two steps.
            let _ = fs::remove_file(&partial);
            return Ok(Opened::Complete(counts));
        }
        let failed = |error| BatchError::Output(partial.clone(), error);
        let mut file = locked(&partial)?;
        if file.metadata().map_err(failed)?.len() > 0 {
            check_begun(&partial, known.as_ref(), run)?;
        }
        // Before the first line, so that every line is known to be of this run.
        manifest.write(&Known { run: run.clone(), counts: None }).map_err(unread)?;
        let kept = keep(&file, records).map_err(failed)?;
        file.set_len(kept.bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let Kept { counts, longest, .. } = kept;
        let (path, run) = (path.to_owned(), run.clone());
        Ok(Opened::Partial(Self { path, form, manifest, run, partial: file, counts, longest }))
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the bytes of the longest line.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Appends a line.
    pub fn add(&mut self, line: &Line) -> Result<(), BatchError> {
        // In one write: what is written of it after a kill is usually the whole line.
        let written = self.partial.write_all(format!("{}\n", line.json).as_bytes());
        written.map_err(|error| BatchError::Output(partial_of(&self.path), error))?;
        self.counts.add(line.is_error);
        self.longest = self.longest.max(line.json.len());
        Ok(())
    }

    /// Makes the output of the partial file.
    pub fn finish(self) -> Result<Counts, BatchError> {
        let failed = |error| BatchError::Output(self.path.clone(), error);
        self.complete().map_err(failed)?;
        Ok(self.counts)
    }

    /// A process that ends between two steps repeats them: all lines are there, and the output
    /// appears in the last one.
    fn complete(&self) -> io::Result<()> {
        let partial = partial_of(&self.path);
        self.partial.sync_all()?;
        let known = Known { run: self.run.clone(), counts: Some(self.counts) };
        match self.form {
            Form::JsonLines => {
                self.manifest.write(&known)?;
                fs::rename(partial, &self.path)
            }
            Form::Parquet => {
                let new = beside(&self.path, ".new");
                columns::write(&partial, &new, &self.run)?;
                self.manifest.write(&known)?;
                fs::rename(new, &self.path)?;
                fs::remove_file(partial)
            }
        }
    }
}

fn partial_of(path: &Path) -> PathBuf {
    beside(path, ".partial")
}

/// Opens the partial file for this process only.
fn locked(partial: &Path) -> Result<File, BatchError> {
    let failed = |error| BatchError::Output(partial.to_owned(), error);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(partial);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let detail = format!("another process writes {}", partial.display());
            Err(BatchError::Refused(detail))
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
            Err(failed(error))
        }
        _ => Ok(file),
    }
}

/// Returns the counts of an output that exists, if it is of the same run.
fn complete(path: &Path, known: Option<Known>, run: &Value) -> Result<Counts, BatchError> {
    let path = path.display();
    let again = "remove it to run again, or name another file";
    match known {
        Some(Known { run: known, counts: Some(counts) }) => match difference(&known, run) {
            None => Ok(counts),
            Some(what) => Err(BatchError::Refused(format!("{path} is of {what}; {again}"))),
        },
        _ => Err(BatchError::Refused(format!("{path} exists already; {again}"))),
    }
}

/// Fails if the lines of a partial file are of another run.
fn check_begun(partial: &Path, known: Option<&Known>, run: &Value) -> Result<(), BatchError> {
    let what = match known {
        Some(known) => difference(&known.run, run),
        None => Some("an unknown run".to_owned()),
    };
    let partial = partial.display();
    what.map_or(Ok(()), |what| {
        let detail = format!("{partial} was begun with {what}; remove it to begin again");
        Err(BatchError::Refused(detail))
    })
}

/// The lines of a partial file that can be kept.
#[derive(Default)]
struct Kept {
    bytes: u64,
    counts: Counts,
    longest: usize,
}

/// Takes the records from `records` whose lines are in the file, in the same order.
fn keep(file: &File, records: &mut Records) -> io::Result<Kept> {
    let (mut kept, mut reader, mut line) = (Kept::default(), BufReader::new(file), Vec::new());
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line)?;
        let Some(found) = whole(&line) else { return Ok(kept) };
        let same = records.next_if(|record| record.as_ref().is_ok_and(|own| own.id == found.id));
        if same.is_none() {
            return Ok(kept);
        }
        kept.bytes += bytes as u64;
        kept.counts.add(found.error.is_some());
        kept.longest = kept.longest.max(bytes);
    }
}

/// Parses a line that ends with a line break; `None` if it was cut.
fn whole(line: &[u8]) -> Option<Found> {
    serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
}
