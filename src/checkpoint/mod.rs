//! A checkpoint in the Hugging Face layout: its files, its configuration, its
//! tensors. Nothing here knows an architecture.

mod adapter;
mod cancel;
pub mod config;
mod content;
pub mod hub;
pub mod layout;
mod names;
mod numbers;
mod on_disk;
mod parts;
mod pickle;
mod place;
mod safetensors;
pub mod sentence;
pub mod source;
mod weight_files;
pub mod weights;

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use adapter::Adapter;
pub use cancel::{CancelOnDrop, Cancellation};
pub use config::ModelConfig;
pub use layout::{CONFIG, POOLING, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};
pub use on_disk::{Drift, OnDisk};
use place::{ABSENT, Place};
pub use sentence::{Module, ModuleKind, Sentence, SentenceKind};
pub use source::{Allowed, Source};
pub use weight_files::Owner;
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
    /// Whose tensors there are: the model's first.
    owners: Vec<Owner>,
    /// Opened when first asked for: a model that cannot be run for another
    /// reason is refused before its weights are fetched.
    weights: OnceLock<Vec<WeightFiles>>,
    sentence: Option<Sentence>,
    adapter: Option<Adapter>,
}

/// A small file's name and content.
type Small = (Cow<'static, str>, Cow<'static, [u8]>);

impl Checkpoint {
    /// Reads the small files that `source` points to.
    pub fn read(source: &Source, cancellation: &Cancellation) -> Result<Self, LoadError> {
        Self::read_allowed(source, &Allowed::default(), cancellation)
    }

    /// The same, where a model's files may lead to others: of those only what is allowed
    /// is read.
    pub fn read_allowed(
        source: &Source,
        allowed: &Allowed,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        match Place::of(source, cancellation) {
            Ok(place) => parts::gather(source, place, allowed, cancellation),
            Err(reason) => {
                Err(LoadError { origin: source.to_string(), file: String::new(), reason })
            }
        }
    }

    /// The same of a model of the hub, with other settings than the environment's.
    pub fn read_hub(
        repository: &hub::Repository,
        settings: &hub::Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        let source = Source::Hub(repository.clone());
        match hub::Snapshot::find(repository, settings, cancellation) {
            Ok(snapshot) => {
                let place = Place::Hub(snapshot);
                parts::gather(&source, place, &Allowed::default(), cancellation)
            }
            Err(reason) => {
                Err(LoadError { origin: source.to_string(), file: String::new(), reason })
            }
        }
    }

    fn keep(&mut self, name: impl Into<Cow<'static, str>>) -> Result<(), LoadError> {
        let name = name.into();
        let data = match self.has(&name) {
            true => self.place.read(&name).map_err(|reason| self.error(&name, reason))?,
            false => return Err(self.absent(&name)),
        };
        self.small.push((name, data));
        Ok(())
    }

    /// Keeps a file that may be missing, once.
    fn keep_any(&mut self, name: impl Into<Cow<'static, str>>) -> Result<(), LoadError> {
        let name = name.into();
        match self.has(&name) && self.file(&name).is_none() {
            true => self.keep(name),
            false => Ok(()),
        }
    }

    /// What sentence-transformers adds, where it made the checkpoint.
    pub fn sentence(&self) -> Option<&Sentence> {
        self.sentence.as_ref()
    }

    /// What changes the model's weights, where something does.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Whether there is a classifier on the embedding.
    pub fn has_classifier(&self) -> bool {
        self.owners.contains(&Owner::Classifier)
    }

    /// Whether there is such a file, of any kind.
    pub fn has(&self, name: &str) -> bool {
        self.place.has(name)
    }

    /// A small file of [`layout`], if it is there.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.small.iter().find(|(file, _)| *file == name).map(|(_, data)| data.as_ref())
    }

    /// A small JSON file that holds an object; empty where there is none.
    pub fn object(&self, name: &str) -> Result<Map<String, Value>, LoadError> {
        match self.file(name) {
            Some(data) => serde_json::from_slice(data).map_err(|error| self.error(name, error)),
            None => Ok(Map::new()),
        }
    }

    pub fn required(&self, name: &str) -> Result<&[u8], LoadError> {
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
