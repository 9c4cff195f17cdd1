//! A model on the hub, at one commit.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::Failure;
use super::cache::{Cache, is_commit};
use super::client::Client;
use super::download;
use super::repository::Repository;
use super::settings::Settings;
use crate::checkpoint::Cancellation;

#[derive(Debug)]
pub struct Remote {
    client: Client,
    repository: Repository,
    commit: String,
    names: BTreeSet<String>,
}

impl Remote {
    /// Requests the commit and the list of files.
    pub fn find(
        repository: &Repository,
        settings: &Settings,
        cancellation: &Cancellation,
    ) -> Result<Self, Failure> {
        let client = Client::new(settings, cancellation)?;
        let info = client.info(repository)?;
        if !is_commit(&info.sha) {
            return Err(Failure::Refused(format!("the commit {:?} is invalid", info.sha)));
        }
        let names = info.siblings.into_iter().map(|sibling| sibling.name).collect();
        Ok(Self { client, repository: repository.clone(), commit: info.sha, names })
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns a file's path in the cache; downloads it if it is missing.
    pub fn fetch(&self, cache: &Cache, name: &str) -> Result<PathBuf, String> {
        let path = cache.snapshot(&self.commit).join(name);
        if !path.exists() {
            let metadata = self.client.metadata(&self.repository, &self.commit, name);
            let metadata = metadata.map_err(Failure::reason)?;
            let blob = download::blob(&self.client, cache, name, &metadata)?;
            download::link_to(&path, &blob).map_err(|error| download::unwritable(&path, &error))?;
        }
        // Ignore errors: the cache may be read-only.
        let _ = self.store_reference(cache);
        Ok(path)
    }

    /// Stores the current commit of the revision in `refs`.
    fn store_reference(&self, cache: &Cache) -> std::io::Result<()> {
        let revision = self.repository.revision();
        let path = cache.reference(revision);
        if revision == self.commit || cache.commit(revision).as_ref() == Some(&self.commit) {
            return Ok(());
        }
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        download::write_atomic(&path, self.commit.as_bytes())
    }
}
