//! Stores an index in a file, so that a corpus is embedded only once.
//!
//! The file starts with a header that has the index's key and the sizes of all sections. The
//! sections follow in this order: vectors in f32; codes with their mean, scales and errors; labels
//! and predictions; the calibration; document frequencies; ids and texts; a CRC-32 of everything
//! before it. Numbers are in native byte order, which the header records. A file with another
//! model, corpus, version or byte order, or one that is truncated or corrupted, is rejected.

mod header;
mod stream;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use header::Header;
use stream::{Reader, Writer};

use super::calibration::Calibration;
use super::frequencies::Frequencies;
use super::index::{Index, Key, Samples};
use super::local::{Local, Texts, Vectors, marked};
use crate::files;
use crate::nearest::{Codes, Parts};

/// The reason why a stored index cannot be used; it is logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Opens the stored index of `key`. Its vectors stay in the file.
///
/// # Errors
/// Fails if the file is missing, truncated or corrupted, or if its key is not `key`.
pub fn open(path: &Path, key: &Key) -> Result<Index, Unusable> {
    let file = files::open(path)?;
    let length = file.metadata()?.len();
    let mut from = Reader::new(&file);
    let header = Header::read(&mut from, key)?;
    // Check the length before allocating what the header asks for.
    if header.bytes_after().and_then(|rest| rest.checked_add(from.position())) != Some(length) {
        return Err(Unusable(format!("has the wrong length: {length} bytes")));
    }
    let Header { rows, width, held, text_bytes, pieces } = header;
    let start = from.position();
    from.skip(4 * (rows * width) as u64)?;
    let parts = Parts {
        codes: from.list(rows * width)?,
        mean: from.list(width)?,
        scales: from.list(rows)?,
        errors: from.list(rows)?,
    };
    let labels: Vec<u32> = from.list(rows)?;
    let predicted: Vec<u32> = from.list(rows)?;
    let probabilities = from.list(rows)?;
    let calibration = (from.list(held)?, from.list(held)?, from.list(held)?);
    let of_piece = from.list(pieces)?;
    let ends = from.list(2 * rows)?;
    let all = from.list(text_bytes)?;
    from.finish()?;
    let all = String::from_utf8(all).map_err(|_| Unusable("its texts are not UTF-8".to_owned()))?;
    if calibration.0.iter().any(|row: &u32| *row as usize >= rows) {
        return Err(Unusable("its calibration has rows out of range".to_owned()));
    }
    let local = Local {
        width,
        texts: Texts { all, ends },
        is_held: marked(&calibration.0, rows),
        labels,
        predicted,
        probabilities,
        codes: Codes::of_parts(parts),
        vectors: Vectors::File { file, start },
    };
    Ok(Index {
        key: key.clone(),
        frequencies: Frequencies { samples: rows, of_piece },
        calibration: Calibration::of_parts(calibration, |row| local.labels[row]),
        samples: Samples::Local(local),
    })
}

/// Writes an index whose vectors are in memory. The file is renamed into place once complete.
///
/// # Errors
/// Fails if the file cannot be written; the partial file is removed.
pub fn write(path: &Path, index: &Index) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let written = File::create(&partial).and_then(|file| {
        write_to(&file, index)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, path));
    if renamed.is_err() {
        // Clean up; the first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    renamed
}

fn write_to(file: &File, index: &Index) -> io::Result<()> {
    let local = index.local().ok_or_else(|| io::Error::other("the samples are in a database"))?;
    let Vectors::Memory(vectors) = &local.vectors else {
        return Err(io::Error::other("the vectors are in a file already"));
    };
    let (held, nonconformity, density) = index.calibration.parts();
    let header = Header {
        rows: local.labels.len(),
        width: local.width,
        held: held.len(),
        text_bytes: local.texts.all.len(),
        pieces: index.frequencies.of_piece.len(),
    };
    let mut to = Writer::new(file);
    header.write(&mut to, &index.key)?;
    to.list(vectors)?;
    let Parts { mean, codes, scales, errors } = local.codes.parts();
    to.list(codes)?;
    to.list(mean)?;
    to.list(scales)?;
    to.list(errors)?;
    to.list(&local.labels)?;
    to.list(&local.predicted)?;
    to.list(&local.probabilities)?;
    to.list(held)?;
    to.list(nonconformity)?;
    to.list(density)?;
    to.list(&index.frequencies.of_piece)?;
    to.list(&local.texts.ends)?;
    to.list(local.texts.all.as_bytes())?;
    to.finish()?.flush()
}

#[cfg(test)]
mod tests;
