//! The cache's layout, which Python's huggingface_hub reads and writes too:
//! `blobs/<etag>` hold contents, `snapshots/<commit>/<file>` point to them,
//! `refs/<revision>` hold the commit that a branch or tag was last seen at.

use std::path::{Path, PathBuf};

use super::repository::Repository;
use crate::files;

/// Bytes of a file that holds a commit.
const LONGEST_REFERENCE: u64 = 1_024;

/// One model's part of the cache.
#[derive(Debug)]
pub struct Cache {
    /// `models--owner--name`
    pub folder: PathBuf,
}

impl Cache {
    pub fn of(repository: &Repository, root: &Path) -> Self {
        Self { folder: root.join(repository.folder()) }
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }

    /// The commit that `revision` was last seen at, if files of it are here.
    pub fn commit(&self, revision: &str) -> Option<String> {
        let commit = match is_commit(revision) {
            true => revision.to_owned(),
            false => files::read_text(&self.reference(revision), LONGEST_REFERENCE)
                .ok()?
                .trim()
                .to_owned(),
        };
        (is_commit(&commit) && self.snapshot(&commit).is_dir()).then_some(commit)
    }
}

/// A commit by its whole hash. Nothing else becomes a folder's name.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
