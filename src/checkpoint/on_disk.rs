//! Detects changes to the files that a model was loaded from.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Checkpoint, LoadError, digest_header, revision_of};
use crate::files::{self, Stamp};

/// The local files of a checkpoint, in the order of its digest. Empty for built-in models.
#[derive(Debug, Default)]
pub struct OnDisk {
    files: Vec<(String, PathBuf)>,
    last_check: Mutex<LastCheck>,
}

/// The result of the last check: the stamps of all files, and whether their content differed.
#[derive(Debug, Default)]
struct LastCheck {
    stamps: Vec<Option<Stamp>>,
    changed: bool,
}

/// How the files differ from those that were loaded.
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
    /// Returns the local files of the checkpoint.
    pub fn on_disk(&self) -> Result<OnDisk, LoadError> {
        let weights = self.contents()?.map(|(name, _)| name.as_ref());
        let mut small = self.small_files.iter().map(|(name, _)| name.as_ref());
        let names = small.by_ref().take(1).chain(weights);
        let mut files = Vec::new();
        for name in names.collect::<Vec<_>>().into_iter().chain(small) {
            match self.location.path(name) {
                Ok(Some(path)) => files.push((name.to_owned(), path)),
                Ok(None) => {}
                Err(reason) => return Err(self.error(name, reason)),
            }
        }
        let stamps = files.iter().map(|(_, path)| Stamp::of(path).ok()).collect();
        Ok(OnDisk { files, last_check: Mutex::new(LastCheck { stamps, changed: false }) })
    }
}

impl OnDisk {
    /// Returns how the files differ from those of `revision`. Reads their content only if a
    /// length or modification time changed since the last check.
    pub fn drift(&self, revision: &str) -> Option<Drift> {
        let mut now = Vec::new();
        for (name, path) in &self.files {
            match Stamp::of(path) {
                Ok(stamp) => now.push(Some(stamp)),
                Err(_) => return Some(Drift::Gone(name.clone())),
            }
        }
        let mut last = self.last_check.lock().unwrap_or_else(PoisonError::into_inner);
        if last.stamps != now {
            let changed = self.digest().map_or(true, |digest| digest != revision);
            *last = LastCheck { stamps: now, changed };
        }
        last.changed.then_some(Drift::Changed)
    }

    /// Computes the same value as [`Checkpoint::revision`].
    fn digest(&self) -> io::Result<String> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        for (name, path) in &self.files {
            let mut file = files::open(path)?;
            digest_header(name, file.metadata()?.len(), &mut hasher);
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                }
            }
        }
        Ok(revision_of(hasher))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::checkpoint::{Cancellation, Source};

    #[test]
    fn changed_and_deleted_files_are_detected() {
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
        assert_eq!(on_disk.drift(&revision), None, "same content, new modification time");
        fs::write(&config, content.clone() + " ").unwrap();
        assert_eq!(on_disk.drift(&revision), Some(Drift::Changed));
        assert_eq!(on_disk.drift(&revision), Some(Drift::Changed));
        fs::write(&config, content).unwrap();
        assert_eq!(on_disk.drift(&revision), None);
        fs::remove_file(&config).unwrap();
        assert_eq!(on_disk.drift(&revision), Some(Drift::Gone("config.json".to_owned())));
    }
}
