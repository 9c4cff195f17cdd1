//! A checkpoint in the Hugging Face layout: its files, its configuration, its
//! tensors. Nothing here knows an architecture.

mod cancel;
pub mod config;
mod content;
pub mod hub;
pub mod layout;
mod names;
mod numbers;
mod on_disk;
mod pickle;
mod place;
mod safetensors;
pub mod source;
mod weight_files;
pub mod weights;

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

pub use cancel::{CancelOnDrop, Cancellation};
pub use config::ModelConfig;
pub use layout::{CONFIG, POOLING, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};
use layout::{OPTIONAL, VOCABULARIES};
pub use on_disk::{Drift, OnDisk};
use place::{ABSENT, Place};
pub use source::Source;
use weight_files::WeightFiles;
pub use weights::Weights;

/// Why a checkpoint was refused, with the file that is at fault.
#[derive(Debug, thiserror::Error)]
pub struct LoadError {
    pub origin: String,
    /// Empty where no file is.
    pub file: String,
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, file, reason } = self;
        match file.as_str() {
            "" => write!(f, "{origin}: {reason}"),
            file => write!(f, "{origin}/{file}: {reason}"),
        }
    }
}

/// The files of a checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    origin: String,
    place: Place,
    cancellation: Cancellation,
    /// The small files that are there; config.json is the first.
    small: Vec<Small>,
    /// Opened when first asked for: a model that cannot be run for another
    /// reason is refused before its weights are fetched.
    weights: OnceLock<WeightFiles>,
}

/// A small file's name and content.
type Small = (&'static str, Cow<'static, [u8]>);

impl Checkpoint {
    /// Reads the small files that `source` points to.
    pub fn read(source: &Source, cancellation: &Cancellation) -> Result<Self, LoadError> {
        let origin = source.to_string();
        match Place::of(source, cancellation) {
            Ok(place) => Self::gather(origin, place, cancellation),
            Err(reason) => Err(LoadError { origin, file: String::new(), reason }),
        }
    }

    /// The same of a model of the hub, with other settings than the environment's.
    pub fn read_hub(
        repository: &hub::Repository,
        settings: &hub::Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        let origin = repository.to_string();
        match hub::Snapshot::find(repository, settings, cancellation) {
            Ok(snapshot) => Self::gather(origin, Place::Hub(snapshot), cancellation),
            Err(reason) => Err(LoadError { origin, file: String::new(), reason }),
        }
    }

    fn gather(
        origin: String,
        place: Place,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        let cancellation = cancellation.clone();
        let (small, weights) = (Vec::new(), OnceLock::new());
        let mut checkpoint = Self { origin, place, cancellation, small, weights };
        checkpoint.keep(CONFIG)?;
        let tokenizer = match checkpoint.has(TOKENIZER) {
            true => &[TOKENIZER],
            false => VOCABULARIES,
        };
        for name in tokenizer.iter().chain(OPTIONAL) {
            if checkpoint.has(name) {
                checkpoint.keep(name)?;
            }
        }
        Ok(checkpoint)
    }

    fn keep(&mut self, name: &'static str) -> Result<(), LoadError> {
        let data = match self.has(name) {
            true => self.place.read(name).map_err(|reason| self.error(name, reason))?,
            false => return Err(self.absent(name)),
        };
        self.small.push((name, data));
        Ok(())
    }

    /// Whether there is such a file, of any kind.
    pub fn has(&self, name: &str) -> bool {
        self.place.has(name)
    }

    /// A small file of [`layout`], if it is there.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.small.iter().find(|(file, _)| *file == name).map(|(_, data)| data.as_ref())
    }

    pub fn required(&self, name: &'static str) -> Result<&[u8], LoadError> {
        self.file(name).ok_or_else(|| self.absent(name))
    }

    /// That `what` is not there, and why it may be elsewhere.
    pub fn absent(&self, what: &str) -> LoadError {
        let gap = self.place.gap().map(|gap| format!("; {gap}")).unwrap_or_default();
        self.error(what, format!("{ABSENT}{gap}"))
    }

    /// `sha256:` and the digest over every file's name, length and content.
    pub fn revision(&self) -> Result<String, LoadError> {
        let mut hasher = Sha256::new();
        let (config, others) = self.small.split_at(self.small.len().min(1));
        digest_small(config, &mut hasher);
        self.digest_weights(&mut hasher)?;
        digest_small(others, &mut hasher);
        Ok(written(hasher))
    }

    pub fn error(&self, file: &str, reason: impl ToString) -> LoadError {
        LoadError { origin: self.origin.clone(), file: file.to_owned(), reason: reason.to_string() }
    }
}

fn digest_small(files: &[Small], hasher: &mut Sha256) {
    for (name, data) in files {
        digest_head(name, data.len() as u64, hasher);
        hasher.update(data);
    }
}

/// What comes before a file's content, so that no two folders have one digest.
fn digest_head(name: &str, length: u64, hasher: &mut Sha256) {
    hasher.update(format!("{name}\0{length}\0"));
}

fn written(hasher: Sha256) -> String {
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}
