//! Models of the Hugging Face hub. Files are downloaded on first use into the cache that other
//! programs share.

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

/// Why a request to the hub failed.
#[derive(Debug)]
enum Failure {
    /// No usable response: the cache may be used instead.
    Unreachable(String),
    /// The hub refused the request: the cache must not be used instead.
    #[cfg_attr(not(feature = "hub"), expect(dead_code, reason = "only the client returns it"))]
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

/// Replaces [`remote::Remote`] in builds without the client.
#[cfg(not(feature = "hub"))]
#[derive(Debug)]
enum Remote {}

#[cfg(not(feature = "hub"))]
impl Remote {
    fn find(_: &Repository, _: &Settings, _: &Cancellation) -> Result<Self, Failure> {
        Err(Failure::Unreachable("this explaind was built without the feature hub".to_owned()))
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
    /// Files on the hub, downloaded on first use.
    Remote(Box<Remote>),
    /// Files of the cache only, because the hub cannot be used.
    Cached { folder: PathBuf, reason: String },
}

impl Snapshot {
    /// Requests the list of files from the hub; if it cannot be reached, uses the cache.
    pub fn find(
        repository: &Repository,
        settings: &Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, String> {
        let cache = Cache::of(repository, &settings.cache);
        let reason = match Self::remote(repository, settings, cancellation) {
            Ok(remote) => return Ok(Self { cache, files: Files::Remote(remote.into()) }),
            Err(Failure::Refused(reason)) => return Err(reason),
            Err(Failure::Unreachable(reason)) => reason,
        };
        let Some(commit) = cache.commit(repository.revision()) else {
            return Err(format!(
                "{reason}, and {} at {} is not in {}. Load it once with access to the hub, copy the \
                 folder {} from a machine that has it, or give a directory with the model's files",
                repository.id(),
                repository.revision(),
                settings.cache.display(),
                repository.folder(),
            ));
        };
        if settings.access == Access::Online {
            warn!("{reason}: {repository} is loaded from the cache and may be outdated");
        }
        let folder = cache.snapshot(&commit);
        Ok(Self { cache, files: Files::Cached { folder, reason } })
    }

    fn remote(
        repository: &Repository,
        settings: &Settings,
        cancellation: &Cancellation,
    ) -> Result<Remote, Failure> {
        match settings.access {
            Access::Online => Remote::find(repository, settings, cancellation),
            Access::Offline => {
                Err(Failure::Unreachable("the hub is not used (HF_HUB_OFFLINE is set)".to_owned()))
            }
        }
    }

    pub fn has(&self, name: &str) -> bool {
        match &self.files {
            Files::Remote(remote) => remote.has(name),
            Files::Cached { folder, .. } => folder.join(name).exists(),
        }
    }

    /// Returns a file's path in the cache; downloads it if it is missing.
    pub fn fetch(&self, name: &str) -> Result<PathBuf, String> {
        match &self.files {
            Files::Remote(remote) => remote.fetch(&self.cache, name),
            Files::Cached { folder, .. } => Ok(folder.join(name)),
        }
    }

    /// Why files may be missing although the hub has them.
    pub fn missing_reason(&self) -> Option<&str> {
        match &self.files {
            Files::Remote(_) => None,
            Files::Cached { reason, .. } => Some(reason),
        }
    }
}
