//! Brings a file into the cache: it is under its name only when it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::Failure;
use super::cache::Cache;
use super::client::{self, Client, Metadata};
use super::progress::Progress;
use crate::checkpoint::Cancellation;
use crate::files;

/// Downloads without progress before one is given up.
const ATTEMPTS: u32 = 3;

/// How often a download looks after another of the same file.
const GLANCE: Duration = Duration::from_millis(100);

const PIECE: usize = 1 << 16;

/// The blob of a file, downloaded unless it is there. Processes that want the
/// same one wait for each other.
pub fn blob(
    client: &Client,
    cache: &Cache,
    name: &str,
    said: &Metadata,
) -> Result<PathBuf, String> {
    let path = cache.folder.join("blobs").join(&said.etag);
    let unwritable = |error: io::Error| unwritable(&path, &error);
    let _lock = lock(cache, &said.etag, &client.cancellation).map_err(unwritable)?;
    if path.metadata().is_ok_and(|found| said.bytes.is_none_or(|bytes| found.len() == bytes)) {
        return Ok(path);
    }
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritable)?;
    let part = cache.folder.join("blobs").join(format!("{}.incomplete", said.etag));
    let mut progress = Progress::start(name, said.bytes);
    let (mut most, mut failures) = (0, 0);
    loop {
        let reason = match attempt(client, said, &part, &mut progress) {
            Ok(()) => break,
            Err(Failure::Refused(reason)) => return Err(reason),
            Err(Failure::Unreachable(reason)) => reason,
        };
        let have = length(&part);
        failures = if have > most { 0 } else { failures + 1 };
        most = most.max(have);
        if failures == ATTEMPTS {
            return Err(format!("{reason}; load it again to go on"));
        }
        warn!("{name}: {reason}; trying again");
        sleep(client::pause(failures));
    }
    fs::rename(&part, &path).map_err(unwritable)?;
    progress.finish();
    Ok(path)
}

/// Held until it is dropped. The same file as Python's huggingface_hub locks.
fn lock(cache: &Cache, etag: &str, cancellation: &Cancellation) -> io::Result<File> {
    let locks = cache.folder.with_file_name(".locks");
    let folder = locks.join(cache.folder.file_name().unwrap_or_default());
    fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(format!("{etag}.lock")))?;
    match file.try_lock() {
        // A file system without locks: at worst both come, and the digest tells.
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => {
            info!("waiting for another download of the same file");
            while let Err(TryLockError::WouldBlock) = file.try_lock() {
                cancellation.check().map_err(io::Error::other)?;
                sleep(GLANCE);
            }
        }
    }
    Ok(file)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// Goes on where the last attempt ended, and checks what has come.
fn attempt(
    client: &Client,
    said: &Metadata,
    part: &Path,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let have = length(part);
    let mut start = have;
    if said.bytes.is_none_or(|bytes| have != bytes) {
        let response = client.bytes(&said.place, have)?;
        let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
        let goes_on = range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
        start = match response.status().as_u16() {
            206 if goes_on => have,
            200 => 0,
            status => {
                // What is there cannot be gone on with, or the place has gone.
                let _ = fs::remove_file(part);
                let reason = format!("the download ended after {have} bytes in status {status}");
                return Err(Failure::Unreachable(reason));
            }
        };
        let broken = |error: io::Error| Failure::Refused(unwritable(part, &error));
        let mut file = open_at(part, start).map_err(broken)?;
        progress.at(start);
        // One byte more than there should be shows that there are too many.
        let most = said.bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(start) + 1);
        copy(&mut client.read(response).take(most), &mut file, progress)?;
    }
    check(said, part, start)
}

/// The file, cut where writing goes on.
fn open_at(path: &Path, start: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

fn copy(from: &mut impl Read, to: &mut File, progress: &mut Progress) -> Result<(), Failure> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece);
        let read =
            read.map_err(|e| Failure::Unreachable(format!("the download broke off: {e}")))?;
        if read == 0 {
            return Ok(());
        }
        let written = to.write_all(&piece[..read]);
        written
            .map_err(|error| Failure::Refused(format!("the download cannot be kept: {error}")))?;
        progress.add(read as u64);
    }
}

/// Holds what has come against what the hub says: its length, and of large
/// files the digest, which is their etag. What is wrong is worth another try
/// only if a part of it, up to `start`, is from before.
fn check(said: &Metadata, part: &Path, start: u64) -> Result<(), Failure> {
    let have = length(part);
    let wrong = match said.bytes {
        Some(bytes) if have < bytes => {
            let reason = format!("the download ended after {have} of {bytes} bytes");
            return Err(Failure::Unreachable(reason));
        }
        Some(bytes) if have > bytes => format!("{have} bytes came instead of {bytes}"),
        _ if said.etag.len() == 64 && digest(part).ok().as_ref() != Some(&said.etag) => {
            "what came is not what the hub describes".to_owned()
        }
        _ => return Ok(()),
    };
    let _ = fs::remove_file(part);
    Err(match start {
        0 => Failure::Refused(wrong),
        _ => Failure::Unreachable(wrong),
    })
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = files::open(path)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes `path` a pointer to `blob`, relative, so that the cache can be moved.
pub fn point(path: &Path, blob: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    // A pointer to a blob that was deleted.
    let _ = fs::remove_file(path);
    link(path, blob)
}

#[cfg(unix)]
fn link(path: &Path, blob: &Path) -> io::Result<()> {
    // models--owner--name/snapshots/<commit>/<file>, and blobs/<etag>.
    let model = blob.ancestors().nth(2).unwrap_or(blob);
    let inside = path.strip_prefix(model).unwrap_or(path);
    let up: PathBuf = inside.components().skip(1).map(|_| "..").collect();
    let target = up.join(blob.strip_prefix(model).unwrap_or(blob));
    match std::os::unix::fs::symlink(target, path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

#[cfg(not(unix))]
fn link(path: &Path, blob: &Path) -> io::Result<()> {
    fs::copy(blob, path).map(|_| ())
}

/// Writes a small file so that no reader sees half of it.
pub fn write_whole(path: &Path, data: &[u8]) -> io::Result<()> {
    let part = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&part, data)?;
    fs::rename(part, path)
}

pub fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}; HF_HOME names the folder of the hub's files", path.display())
}
