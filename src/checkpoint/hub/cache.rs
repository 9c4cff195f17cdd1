//! The layout of the cache, shared with Python's huggingface_hub: `blobs/<etag>` have the
//! contents, `snapshots/<commit>/<file>` link to them, and `refs/<revision>` have the last
//! known commit of a branch or tag.

use std::path::{Path, PathBuf};

use super::repository::Repository;
use crate::files;

/// Maximum bytes of a file in `refs`.
const MAX_REFERENCE: u64 = 1_024;

/// The cache of one model.
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

    /// Returns the last known commit of `revision`, if the cache has files of it.
    pub fn commit(&self, revision: &str) -> Option<String> {
        let commit = match is_commit(revision) {
            true => revision.to_owned(),
            false => {
                files::read_text(&self.reference(revision), MAX_REFERENCE).ok()?.trim().to_owned()
            }
        };
        (is_commit(&commit) && self.snapshot(&commit).is_dir()).then_some(commit)
    }
}

/// Whether `text` is a full commit hash, which is safe as a folder name.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
