//! Downloads files into the cache. A file gets its name only when it is complete.

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

/// Consecutive attempts without progress before a download fails.
const ATTEMPTS: u32 = 3;

/// Interval at which to check the lock of a file that is being downloaded elsewhere.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

const CHUNK: usize = 1 << 16;

/// Returns the path of a file's blob; downloads it if it is missing. A lock makes concurrent
/// downloads of the same file wait, also across processes.
pub fn blob(
    client: &Client,
    cache: &Cache,
    name: &str,
    metadata: &Metadata,
) -> Result<PathBuf, String> {
    let path = cache.folder.join("blobs").join(&metadata.etag);
    let unwritable = |error: io::Error| unwritable(&path, &error);
    let _lock = lock(cache, &metadata.etag, &client.cancellation).map_err(unwritable)?;
    if path.metadata().is_ok_and(|found| metadata.bytes.is_none_or(|bytes| found.len() == bytes)) {
        return Ok(path);
    }
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritable)?;
    let part = cache.folder.join("blobs").join(format!("{}.incomplete", metadata.etag));
    let mut progress = Progress::start(name, metadata.bytes);
    let (mut longest, mut failures) = (0, 0);
    loop {
        let reason = match attempt(client, metadata, &part, &mut progress) {
            Ok(()) => break,
            Err(Failure::Refused(reason)) => return Err(reason),
            Err(Failure::Unreachable(reason)) => reason,
        };
        let have = length(&part);
        failures = if have > longest { 0 } else { failures + 1 };
        longest = longest.max(have);
        if failures == ATTEMPTS {
            return Err(format!("{reason}; load it again to resume"));
        }
        warn!("{name}: {reason}; retrying");
        sleep(client::backoff(failures));
    }
    fs::rename(&part, &path).map_err(unwritable)?;
    progress.finish();
    Ok(path)
}

/// Locks a blob until the returned file is dropped. huggingface_hub uses the same lock file.
fn lock(cache: &Cache, etag: &str, cancellation: &Cancellation) -> io::Result<File> {
    let locks = cache.folder.with_file_name(".locks");
    let folder = locks.join(cache.folder.file_name().unwrap_or_default());
    fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(format!("{etag}.lock")))?;
    match file.try_lock() {
        // Without file locks, two downloads may collide. The digest detects that.
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => {
            info!("waiting for another download of the same file");
            while let Err(TryLockError::WouldBlock) = file.try_lock() {
                cancellation.check().map_err(io::Error::other)?;
                sleep(POLL_INTERVAL);
            }
        }
    }
    Ok(file)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// Resumes where the last attempt ended, and verifies the result.
fn attempt(
    client: &Client,
    metadata: &Metadata,
    part: &Path,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let have = length(part);
    let mut start = have;
    if metadata.bytes.is_none_or(|bytes| have != bytes) {
        let response = client.bytes(&metadata.url, have)?;
        let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
        let resumes = range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
        start = match response.status().as_u16() {
            206 if resumes => have,
            200 => 0,
            status => {
                // The partial file cannot be resumed, or the URL has expired.
                let _ = fs::remove_file(part);
                let reason = format!("the download ended after {have} bytes with status {status}");
                return Err(Failure::Unreachable(reason));
            }
        };
        let fail = |error: io::Error| Failure::Refused(unwritable(part, &error));
        let mut file = open_at(part, start).map_err(fail)?;
        progress.resume_at(start);
        // One byte more than expected, to detect a body that is too long.
        let limit = metadata.bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(start) + 1);
        copy(&mut client.read(response).take(limit), &mut file, progress)?;
    }
    check(metadata, part, start)
}

/// Opens the file and truncates it at `start`.
fn open_at(path: &Path, start: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

fn copy(from: &mut impl Read, to: &mut File, progress: &mut Progress) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer);
        let read =
            read.map_err(|e| Failure::Unreachable(format!("the download broke off: {e}")))?;
        if read == 0 {
            return Ok(());
        }
        let written = to.write_all(&buffer[..read]);
        written
            .map_err(|error| Failure::Refused(format!("the download cannot be stored: {error}")))?;
        progress.add(read as u64);
    }
}

/// Checks the file's length and, if the etag is a SHA-256 (large files), its digest. A wrong
/// result is retried only if its first `start` bytes are from an earlier attempt.
fn check(metadata: &Metadata, part: &Path, start: u64) -> Result<(), Failure> {
    let have = length(part);
    let wrong = match metadata.bytes {
        Some(bytes) if have < bytes => {
            let reason = format!("the download ended after {have} of {bytes} bytes");
            return Err(Failure::Unreachable(reason));
        }
        Some(bytes) if have > bytes => format!("received {have} bytes instead of {bytes}"),
        _ if metadata.etag.len() == 64 && digest(part).ok().as_ref() != Some(&metadata.etag) => {
            "the downloaded content does not match the hub's digest".to_owned()
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
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes `path` a link to `blob`: a relative one, so that the cache can be moved.
pub fn link_to(path: &Path, blob: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    // Remove a link to a deleted blob.
    let _ = fs::remove_file(path);
    link(path, blob)
}

#[cfg(unix)]
fn link(path: &Path, blob: &Path) -> io::Result<()> {
    // models--owner--name/snapshots/<commit>/<file>, and blobs/<etag>.
    let model = blob.ancestors().nth(2).unwrap_or(blob);
    let relative = path.strip_prefix(model).unwrap_or(path);
    let up: PathBuf = relative.components().skip(1).map(|_| "..").collect();
    let target = up.join(blob.strip_prefix(model).unwrap_or(blob));
    match std::os::unix::fs::symlink(target, path) {
        // Another process created it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn link(path: &Path, blob: &Path) -> io::Result<()> {
    fs::copy(blob, path).map(|_| ())
}

/// Writes a small file atomically.
pub fn write_atomic(path: &Path, data: &[u8]) -> io::Result<()> {
    let part = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&part, data)?;
    fs::rename(part, path)
}

pub fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}; HF_HOME sets the folder of the cache", path.display())
}
