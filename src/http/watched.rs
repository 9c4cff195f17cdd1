//! Files that may change while the service runs. They are looked at when they are
//! needed, at most once a second, by their content: what has the length and time of
//! before may be something else.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::files;

/// How long a look is believed.
const AGAIN: Duration = Duration::from_secs(1);

/// The content of each of some files, or why one cannot be read.
pub type Contents<const N: usize> = Result<[Vec<u8>; N], String>;

pub struct Watched<const N: usize> {
    files: [PathBuf; N],
    /// The largest that is read.
    most: u64,
    /// When they were looked at, and what was seen: a digest, or what was wrong.
    last: Option<(Instant, Result<[u8; 32], String>)>,
}

impl<const N: usize> Watched<N> {
    pub fn new(files: [PathBuf; N], most: u64) -> Self {
        Self { files, most, last: None }
    }

    /// What is there, where that is something else than before.
    pub fn news(&mut self) -> Option<Contents<N>> {
        if self.last.as_ref().is_some_and(|(looked, _)| looked.elapsed() < AGAIN) {
            return None;
        }
        let before = self.last.take().map(|(_, seen)| seen);
        let contents = self.read();
        let now = self.last.as_ref().map(|(_, seen)| seen);
        (now != before.as_ref()).then_some(contents)
    }

    /// What is there now.
    pub fn read(&mut self) -> Contents<N> {
        let contents = self.contents();
        let digest = |contents: &[Vec<u8>; N]| {
            let start = Sha256::new();
            contents
                .iter()
                .fold(start, |digest, c| digest.chain_update(Sha256::digest(c)))
                .finalize()
        };
        let seen = contents.as_ref().map(|contents| digest(contents).into()).map_err(String::clone);
        self.last = Some((Instant::now(), seen));
        contents
    }

    fn contents(&self) -> Contents<N> {
        let mut contents = [const { Vec::new() }; N];
        for (file, content) in self.files.iter().zip(&mut contents) {
            let wrong = |error| format!("{}: {error}", file.display());
            *content = files::read(file, self.most).map_err(wrong)?;
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_changes_goes_and_comes_back_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut watched = Watched::new([path.clone()], 8);
        let mut later = async || {
            tokio::time::advance(AGAIN).await;
            watched.news().map(|news| news.map(|[content]| content).map_err(|_| ()))
        };
        assert_eq!(later().await, Some(Ok(b"one".into())));
        assert_eq!(later().await, None);
        // Of the same length and time.
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(later().await, Some(Ok(b"two".into())));
        fs::remove_file(&path).unwrap();
        assert_eq!(later().await, Some(Err(())));
        assert_eq!(later().await, None);
        fs::write(&path, "two").unwrap();
        assert_eq!(later().await, Some(Ok(b"two".into())));
        fs::write(&path, "three").unwrap();
        assert!(watched.news().is_none(), "it was looked at just now");
    }
}
