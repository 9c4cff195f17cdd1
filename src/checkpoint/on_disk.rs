//! Whether the files that a model was loaded from are still what they were.

use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::{Checkpoint, LoadError, digest_head, written};
use crate::files;

/// The files of a checkpoint on this machine, in the order of its digest. None of a
/// built-in model.
#[derive(Debug, Default)]
pub struct OnDisk {
    files: Vec<(String, PathBuf)>,
    seen: Mutex<Seen>,
}

/// What they were like at the last look, and whether their content was another.
#[derive(Debug, Default)]
struct Seen {
    stamps: Vec<Option<Stamp>>,
    changed: bool,
}

/// What changes with a file's content, most likely.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// How files are not what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    Gone(String),
    Changed,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(file) => write!(f, "{file} cannot be read any more"),
            Self::Changed => f.write_str("the files have changed since they were loaded"),
        }
    }
}

impl Checkpoint {
    /// Where its files lie.
    pub fn on_disk(&self) -> Result<OnDisk, LoadError> {
        let weights = self.contents()?.map(|(name, _)| name.as_ref());
        let mut small = self.small.iter().map(|(name, _)| name.as_ref());
        let names = small.by_ref().take(1).chain(weights);
        let mut files = Vec::new();
        for name in names.collect::<Vec<_>>().into_iter().chain(small) {
            match self.place.path(name) {
                Ok(Some(path)) => files.push((name.to_owned(), path)),
                Ok(None) => {}
                Err(reason) => return Err(self.error(name, reason)),
            }
        }
        let stamps = files.iter().map(|(_, path)| Stamp::of(path).ok()).collect();
        Ok(OnDisk { files, seen: Mutex::new(Seen { stamps, changed: false }) })
    }
}

impl OnDisk {
    /// How the files differ from those of `revision`. Reads them only where their
    /// length or time is another than at the last look.
    pub fn drift(&self, revision: &str) -> Option<Drift> {
        let mut now = Vec::new();
        for (name, path) in &self.files {
            match Stamp::of(path) {
                Ok(stamp) => now.push(Some(stamp)),
                Err(_) => return Some(Drift::Gone(name.clone())),
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stamps != now {
            let changed = self.digest().map_or(true, |digest| digest != revision);
            *seen = Seen { stamps: now, changed };
        }
        seen.changed.then_some(Drift::Changed)
    }

    /// What [`Checkpoint::revision`] would say of them.
    fn digest(&self) -> io::Result<String> {
        let mut hasher = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        for (name, path) in &self.files {
            let mut file = files::open(path)?;
            digest_head(name, file.metadata()?.len(), &mut hasher);
            loop {
                match file.read(&mut piece)? {
                    0 => break,
                    read => hasher.update(&piece[..read]),
                }
            }
        }
        Ok(written(hasher))
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let data: Metadata = fs::metadata(path)?;
        Ok(Self { length: data.len(), modified: data.modified().ok() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;
    use crate::checkpoint::{Cancellation, Source};

    #[test]
    fn files_that_change_or_go_are_noticed() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bert-tiny");
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            fs::copy(golden.join(name), folder.path().join(name)).unwrap();
        }
        let checkpoint =
            Checkpoint::read(&Source::Directory(folder.path().into()), &Cancellation::default())
                .unwrap();
        let revision = checkpoint.revision().unwrap();
        let on_disk = checkpoint.on_disk().unwrap();
        assert_eq!(on_disk.files.len(), 3);
        assert_eq!(on_disk.drift(&revision), None);
        let config = folder.path().join("config.json");
        let content = fs::read_to_string(&config).unwrap();
        fs::write(&config, &content).unwrap();
        let later = SystemTime::now() + Duration::from_secs(9);
        File::options().write(true).open(&config).unwrap().set_modified(later).unwrap();
        assert_eq!(on_disk.drift(&revision), None, "the same content at another time");
        fs::write(&config, content.clone() + " ").unwrap();
        assert_eq!(on_disk.drift(&revision), Some(Drift::Changed));
        assert_eq!(on_disk.drift(&revision), Some(Drift::Changed));
        fs::write(&config, content).unwrap();
        assert_eq!(on_disk.drift(&revision), None);
        fs::remove_file(&config).unwrap();
        assert_eq!(on_disk.drift(&revision), Some(Drift::Gone("config.json".to_owned())));
    }
}
