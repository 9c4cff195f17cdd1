//! Models of the Hugging Face hub: looked up, fetched file by file when they
//! are asked for, and kept in the cache that other programs share.

mod cache;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod progress;
#[cfg(feature = "hub")]
mod remote;
mod repository;
mod settings;

use std::path::PathBuf;

use tracing::warn;

use super::cancel::Cancellation;
use cache::Cache;
#[cfg(feature = "hub")]
use remote::Remote;
pub use repository::Repository;
pub use settings::{Access, Settings, Token};

/// Why the hub did not give something.
#[derive(Debug)]
enum Failure {
    /// It did not answer: what is in the cache may do.
    Unreachable(String),
    /// It answered that it will not: nothing in the cache changes that.
    #[cfg_attr(not(feature = "hub"), expect(dead_code, reason = "no client, no answer"))]
    Refused(String),
}

#[cfg(feature = "hub")]
impl Failure {
    fn reason(self) -> String {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// Stands for [`remote::Remote`] in a build that has no client.
#[cfg(not(feature = "hub"))]
#[derive(Debug)]
enum Remote {}

#[cfg(not(feature = "hub"))]
impl Remote {
    fn find(_: &Repository, _: &Settings, _: &Cancellation) -> Result<Self, Failure> {
        Err(Failure::Unreachable("this explaind is built without its feature hub".to_owned()))
    }

    fn has(&self, _: &str) -> bool {
        match *self {}
    }

    fn fetch(&self, _: &Cache, _: &str) -> Result<PathBuf, String> {
        match *self {}
    }
}

/// The files of one model at one commit.
#[derive(Debug)]
pub struct Snapshot {
    cache: Cache,
    files: Files,
}

#[derive(Debug)]
enum Files {
    /// The hub says which there are, and gives them.
    Remote(Box<Remote>),
    /// Those that were fetched before, for want of the hub.
    Cached { folder: PathBuf, why: String },
}

impl Snapshot {
    /// Asks the hub which files there are; where it cannot be reached, takes
    /// what is in the cache.
    pub fn find(
        repository: &Repository,
        settings: &Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, String> {
        let cache = Cache::of(repository, &settings.cache);
        let why = match Self::remote(repository, settings, cancellation) {
            Ok(remote) => return Ok(Self { cache, files: Files::Remote(remote.into()) }),
            Err(Failure::Refused(reason)) => return Err(reason),
            Err(Failure::Unreachable(why)) => why,
        };
        let Some(commit) = cache.commit(repository.revision()) else {
            return Err(format!(
                "{why}, and {} at {} is not in {}. Load it once with the hub in reach, copy the \
                 folder {} from a machine that has it, or give a directory with the model's files",
                repository.id(),
                repository.revision(),
                settings.cache.display(),
                repository.folder(),
            ));
        };
        if settings.access == Access::Online {
            warn!("{why}: {repository} is taken from the cache as it was last seen");
        }
        let folder = cache.snapshot(&commit);
        Ok(Self { cache, files: Files::Cached { folder, why } })
    }

    fn remote(
        repository: &Repository,
        settings: &Settings,
        cancellation: &Cancellation,
    ) -> Result<Remote, Failure> {
        match settings.access {
            Access::Online => Remote::find(repository, settings, cancellation),
            Access::Offline => {
                Err(Failure::Unreachable("the hub is not asked (HF_HUB_OFFLINE is set)".to_owned()))
            }
        }
    }

    pub fn has(&self, name: &str) -> bool {
        match &self.files {
            Files::Remote(remote) => remote.has(name),
            Files::Cached { folder, .. } => folder.join(name).exists(),
        }
    }

    /// A file's path in the cache, where it is put if it is not there.
    pub fn fetch(&self, name: &str) -> Result<PathBuf, String> {
        match &self.files {
            Files::Remote(remote) => remote.fetch(&self.cache, name),
            Files::Cached { folder, .. } => Ok(folder.join(name)),
        }
    }

    /// Why files may be missing here that the hub has.
    pub fn gap(&self) -> Option<&str> {
        match &self.files {
            Files::Remote(_) => None,
            Files::Cached { why, .. } => Some(why),
        }
    }
}
