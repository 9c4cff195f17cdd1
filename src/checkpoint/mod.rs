//! A checkpoint in the Hugging Face layout: its files, configuration and tensors.
//! Independent of the model architecture.
//!
//! The reasons for the design: docs/concepts/checkpoints.md.

mod adapter;
mod cancel;
pub mod config;
mod content;
pub mod hub;
pub mod layout;
mod location;
mod names;
mod numbers;
mod on_disk;
mod parts;
mod pickle;
mod safetensors;
pub mod sentence;
pub mod source;
mod tensor_entry;
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
use location::{ABSENT, Location};
pub use on_disk::{Drift, OnDisk};
pub use sentence::{Module, ModuleKind, Sentence, SentenceKind};
pub use source::{Allowed, Source};
pub use weight_files::Owner;
use weight_files::WeightFiles;
pub use weights::Weights;

/// Why a checkpoint was rejected, and the file that caused it.
#[derive(Debug, thiserror::Error)]
pub struct LoadError {
    pub origin: String,
    /// Empty if no single file is the cause.
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
    location: Location,
    cancellation: Cancellation,
    /// The small files that exist, config.json first.
    small_files: Vec<SmallFile>,
    /// The owners of the weight files, the model first.
    owners: Vec<Owner>,
    /// Opened on first use, so that a model that is rejected for another reason does not
    /// download its weights.
    weights: OnceLock<Vec<WeightFiles>>,
    sentence: Option<Sentence>,
    adapter: Option<Adapter>,
}

/// The name and content of a small file.
type SmallFile = (Cow<'static, str>, Cow<'static, [u8]>);

impl Checkpoint {
    /// Reads the small files of `source`.
    pub fn read(source: &Source, cancellation: &Cancellation) -> Result<Self, LoadError> {
        Self::read_allowed(source, &Allowed::default(), cancellation)
    }

    /// Like [`Self::read`]; if the files refer to another model (an adapter's base), that
    /// source must be `allowed`.
    pub fn read_allowed(
        source: &Source,
        allowed: &Allowed,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        match Location::of(source, cancellation) {
            Ok(location) => parts::gather(source, location, allowed, cancellation),
            Err(reason) => {
                Err(LoadError { origin: source.to_string(), file: String::new(), reason })
            }
        }
    }

    /// Reads a model of the hub with `settings` instead of those of the environment.
    pub fn read_hub(
        repository: &hub::Repository,
        settings: &hub::Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, LoadError> {
        let source = Source::Hub(repository.clone());
        match hub::Snapshot::find(repository, settings, cancellation) {
            Ok(snapshot) => {
                let location = Location::Hub(snapshot);
                parts::gather(&source, location, &Allowed::default(), cancellation)
            }
            Err(reason) => {
                Err(LoadError { origin: source.to_string(), file: String::new(), reason })
            }
        }
    }

    fn read_required(&mut self, name: impl Into<Cow<'static, str>>) -> Result<(), LoadError> {
        let name = name.into();
        let data = match self.has(&name) {
            true => self.location.read(&name).map_err(|reason| self.error(&name, reason))?,
            false => return Err(self.absent(&name)),
        };
        self.small_files.push((name, data));
        Ok(())
    }

    /// Reads a file unless it is missing or has already been read.
    fn read_optional(&mut self, name: impl Into<Cow<'static, str>>) -> Result<(), LoadError> {
        let name = name.into();
        match self.has(&name) && self.file(&name).is_none() {
            true => self.read_required(name),
            false => Ok(()),
        }
    }

    /// The sentence-transformers settings, if there are any.
    pub fn sentence(&self) -> Option<&Sentence> {
        self.sentence.as_ref()
    }

    /// The LoRA adapter to merge into the weights, if there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Whether a classifier follows the embedding (SetFit).
    pub fn has_classifier(&self) -> bool {
        self.owners.contains(&Owner::Classifier)
    }

    /// Whether the file exists, small or large.
    pub fn has(&self, name: &str) -> bool {
        self.location.has(name)
    }

    /// Returns the content of a small file of [`layout`], if it exists.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.small_files.iter().find(|(file, _)| *file == name).map(|(_, data)| data.as_ref())
    }

    /// Parses a small file as a JSON object; empty if there is no such file.
    pub fn object(&self, name: &str) -> Result<Map<String, Value>, LoadError> {
        match self.file(name) {
            Some(data) => serde_json::from_slice(data).map_err(|error| self.error(name, error)),
            None => Ok(Map::new()),
        }
    }

    pub fn required(&self, name: &str) -> Result<&[u8], LoadError> {
        self.file(name).ok_or_else(|| self.absent(name))
    }

    /// Returns the error that `file` is missing, with a likely cause if there is one.
    pub fn absent(&self, file: &str) -> LoadError {
        let cause = self.location.missing_reason().map(|cause| format!("; {cause}"));
        self.error(file, ABSENT.to_owned() + &cause.unwrap_or_default())
    }

    /// Returns `sha256:` and the digest over every file's name, length and content.
    pub fn revision(&self) -> Result<String, LoadError> {
        let mut hasher = Sha256::new();
        let (config, others) = self.small_files.split_at(self.small_files.len().min(1));
        digest_small(config, &mut hasher);
        self.digest_weights(&mut hasher)?;
        digest_small(others, &mut hasher);
        Ok(revision_of(hasher))
    }

    pub fn error(&self, file: &str, reason: impl ToString) -> LoadError {
        LoadError { origin: self.origin.clone(), file: file.to_owned(), reason: reason.to_string() }
    }
}

fn digest_small(files: &[SmallFile], hasher: &mut Sha256) {
    for (name, data) in files {
        digest_header(name, data.len() as u64, hasher);
        hasher.update(data);
    }
}

/// Digests name and length, so that different sets of files have different digests.
fn digest_header(name: &str, length: u64, hasher: &mut Sha256) {
    hasher.update(format!("{name}\0{length}\0"));
}

fn revision_of(hasher: Sha256) -> String {
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}
