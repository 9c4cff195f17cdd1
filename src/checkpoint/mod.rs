//! A checkpoint in the Hugging Face layout: its files, its configuration, its
//! tensors. Nothing here knows an architecture.

pub mod config;
pub mod source;
pub mod weights;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use config::ModelConfig;
pub use source::Source;
pub use weights::Weights;

/// Why a checkpoint was refused, with the file that is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{origin}/{file}: {reason}")]
pub struct LoadError {
    pub origin: String,
    pub file: String,
    pub reason: String,
}

pub const CONFIG: &str = "config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The files of a checkpoint, read once.
#[derive(Debug)]
pub struct Checkpoint {
    origin: String,
    files: Vec<(&'static str, Cow<'static, [u8]>)>,
}

impl Checkpoint {
    /// Reads the files that `source` points to.
    pub fn read(source: &Source) -> Result<Self, LoadError> {
        match source {
            Source::Builtin(builtin) => Ok(Self {
                origin: source.to_string(),
                files: builtin.files.iter().map(|&(name, data)| (name, data.into())).collect(),
            }),
            Source::Directory(path) => Self::read_directory(path),
        }
    }

    fn read_directory(path: &Path) -> Result<Self, LoadError> {
        let mut checkpoint = Self { origin: path.display().to_string(), files: Vec::new() };
        for name in [CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG] {
            match fs::read(path.join(name)) {
                Ok(data) => checkpoint.files.push((name, data.into())),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && name == TOKENIZER_CONFIG => {}
                Err(error) => return Err(checkpoint.error(name, error)),
            }
        }
        Ok(checkpoint)
    }

    pub fn file(&self, name: &'static str) -> Option<&[u8]> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, data)| data.as_ref())
    }

    pub fn required(&self, name: &'static str) -> Result<&[u8], LoadError> {
        self.file(name).ok_or_else(|| self.error(name, "no such file"))
    }

    /// `sha256:` and the digest over every file's name, length and content.
    pub fn revision(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, data) in &self.files {
            hasher.update(format!("{name}\0{}\0", data.len()));
            hasher.update(data);
        }
        let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digest}")
    }

    pub fn error(&self, file: &str, reason: impl ToString) -> LoadError {
        LoadError { origin: self.origin.clone(), file: file.to_owned(), reason: reason.to_string() }
    }
}
