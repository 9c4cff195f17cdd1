//! Reads files that others may replace. Only regular files are read, so that a pipe or device
//! cannot block the service.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

/// Metadata of a file that usually changes with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self { length: data.len(), modified: data.modified().ok() })
    }
}

/// Opens a regular file or a link to one. Checks the opened file, not its path, which may change
/// in between.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    set_nonblocking(&mut options);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is not a regular file")),
    }
}

/// Opening a pipe would otherwise wait for a writer.
#[cfg(unix)]
fn set_nonblocking(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
}

#[cfg(not(unix))]
fn set_nonblocking(_: &mut OpenOptions) {}

/// Reads a file of at most `max_bytes` bytes.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let check = |length: u64| match length > max_bytes {
        true => Err(io::Error::other(format!("is larger than {} MiB", max_bytes >> 20))),
        false => Ok(()),
    };
    check(length)?;
    // The file may have grown since, and the length of files below /proc is reported as 0.
    let mut data = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(max_bytes + 1).read_to_end(&mut data)?;
    check(data.len() as u64)?;
    Ok(data)
}

/// Like [`read`], for UTF-8 text.
pub fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    String::from_utf8(read(path, max_bytes)?).map_err(io::Error::other)
}

/// Reads from a place in a file without moving a position that threads share.
#[cfg(unix)]
pub fn read_exact_at(file: &File, part: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, part, start)
}

#[cfg(windows)]
pub fn read_exact_at(file: &File, mut part: &mut [u8], mut start: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !part.is_empty() {
        match file.seek_read(part, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                part = &mut part[read..];
                start += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path_of = |name: &str| folder.path().join(name);
        fs::write(path_of("file"), "content").unwrap();
        symlink("file", path_of("link")).unwrap();
        for name in ["file", "link"] {
            assert_eq!(read_text(&path_of(name), 7).unwrap(), "content");
        }
        let _socket = UnixListener::bind(path_of("socket")).unwrap();
        assert!(Command::new("mkfifo").arg(path_of("pipe")).status().unwrap().success());
        symlink("pipe", path_of("link to a pipe")).unwrap();
        fs::create_dir(path_of("folder")).unwrap();
        let irregular = ["socket", "pipe", "link to a pipe", "folder"].map(path_of);
        for path in irregular.iter().map(|path| path.as_path()).chain([Path::new("/dev/zero")]) {
            assert!(open(path).is_err(), "{}", path.display());
        }
        assert!(open(&path_of("pipe")).unwrap_err().to_string().contains("regular"));
    }

    #[test]
    fn large_files_are_rejected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert!(read(file.path(), 1 << 20).unwrap_err().to_string().contains("larger than 1 MiB"));
    }
}
