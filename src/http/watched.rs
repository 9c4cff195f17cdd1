//! Files that may change while the service runs. They are checked when needed, at most once a
//! second, and by content, because a changed file may have the same length and modification time.
//! What is made of them is kept behind the same lock (not in an arc-swap, since each use checks).

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::files;

/// How long the result of a check is valid.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The content of each file, or why one cannot be read.
pub type Contents<const N: usize> = Result<[Vec<u8>; N], String>;

pub struct WatchedFiles<const N: usize> {
    files: [PathBuf; N],
    /// Maximum size of a file.
    max_bytes: u64,
    /// Time and result of the last check: a digest, or the error.
    last: Option<(Instant, Result<[u8; 32], String>)>,
}

impl<const N: usize> WatchedFiles<N> {
    pub fn new(files: [PathBuf; N], max_bytes: u64) -> Self {
        Self { files, max_bytes, last: None }
    }

    /// Returns the contents if they differ from the last check.
    pub fn changes(&mut self) -> Option<Contents<N>> {
        if self.last.as_ref().is_some_and(|(checked, _)| checked.elapsed() < CHECK_INTERVAL) {
            return None;
        }
        let previous = self.last.take().map(|(_, hash)| hash);
        let contents = self.read();
        let current = self.last.as_ref().map(|(_, hash)| hash);
        (current != previous.as_ref()).then_some(contents)
    }

    /// Reads the current contents.
    pub fn read(&mut self) -> Contents<N> {
        let contents = self.contents();
        let digest = |contents: &[Vec<u8>; N]| {
            let start = Sha256::new();
            contents
                .iter()
                .fold(start, |digest, c| digest.chain_update(Sha256::digest(c)))
                .finalize()
        };
        let hash = contents.as_ref().map(|contents| digest(contents).into()).map_err(String::clone);
        self.last = Some((Instant::now(), hash));
        contents
    }

    fn contents(&self) -> Contents<N> {
        let mut contents = [const { Vec::new() }; N];
        for (file, content) in self.files.iter().zip(&mut contents) {
            let wrong = |error| format!("{}: {error}", file.display());
            *content = files::read(file, self.max_bytes).map_err(wrong)?;
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_change_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut watched = WatchedFiles::new([path.clone()], 8);
        let mut later = async || {
            tokio::time::advance(CHECK_INTERVAL).await;
            watched.changes().map(|changes| changes.map(|[content]| content).map_err(|_| ()))
        };
        assert_eq!(later().await, Some(Ok(b"one".into())));
        assert_eq!(later().await, None);
        // Same length and modification time.
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(later().await, Some(Ok(b"two".into())));
        fs::remove_file(&path).unwrap();
        assert_eq!(later().await, Some(Err(())));
        assert_eq!(later().await, None);
        fs::write(&path, "two").unwrap();
        assert_eq!(later().await, Some(Ok(b"two".into())));
        fs::write(&path, "three").unwrap();
        assert!(watched.changes().is_none(), "checked less than a second ago");
    }
}
