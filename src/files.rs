//! Files that somebody else may put there: nothing but regular ones is read, so that a
//! pipe or a device in a file's place keeps nobody waiting.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file, or a link to one. What was opened is looked at, not what has
/// its name.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    do_not_wait(&mut options);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is no regular file")),
    }
}

/// To open a pipe would wait for who writes into it.
#[cfg(unix)]
fn do_not_wait(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
}

#[cfg(not(unix))]
fn do_not_wait(_: &mut OpenOptions) {}

/// Reads a file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut data)?;
    match data.len() as u64 > most {
        true => Err(io::Error::other(format!("is larger than {} MiB", most >> 20))),
        false => Ok(data),
    }
}

/// The same of a text.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn nothing_but_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("file"), "content").unwrap();
        symlink("file", place("link")).unwrap();
        for name in ["file", "link"] {
            assert_eq!(read_text(&place(name), 7).unwrap(), "content");
        }
        let _socket = UnixListener::bind(place("socket")).unwrap();
        assert!(Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
        symlink("pipe", place("link to a pipe")).unwrap();
        fs::create_dir(place("folder")).unwrap();
        let odd = ["socket", "pipe", "link to a pipe", "folder"].map(place);
        for path in odd.iter().map(|path| path.as_path()).chain([Path::new("/dev/zero")]) {
            assert!(open(path).is_err(), "{}", path.display());
        }
        assert!(open(&place("pipe")).unwrap_err().to_string().contains("regular"));
    }

    #[test]
    fn no_more_than_there_may_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert!(read(file.path(), 1 << 20).unwrap_err().to_string().contains("larger than 1 MiB"));
    }
}
