//! The weight files of a checkpoint.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::content::Content;
use super::layout::{
    self, ADAPTER_LAYOUTS, Format, HEAD_LAYOUTS, WEIGHT_LAYOUTS, WEIGHTS, WeightLayout,
};
use super::{Checkpoint, LoadError, digest_header};

/// The part of a checkpoint that a weight file belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Model,
    /// A module of sentence-transformers, identified by its folder.
    Module(String),
    Adapter,
    /// A classifier after the embedding.
    Classifier,
}

#[derive(Debug)]
pub struct WeightFiles {
    pub owner: Owner,
    /// The single file, or the index.
    pub main: String,
    pub format: Format,
    pub contents: Vec<(Arc<str>, Content)>,
}

/// Bytes that are read at a time for the digest.
const CHUNK: usize = 1 << 20;

impl Owner {
    fn layouts(&self) -> &'static [WeightLayout] {
        match self {
            Self::Model | Self::Module(_) => WEIGHT_LAYOUTS,
            Self::Adapter => ADAPTER_LAYOUTS,
            Self::Classifier => HEAD_LAYOUTS,
        }
    }

    /// Returns the path of one of the owner's files.
    fn path(&self, name: &str) -> String {
        match self {
            Self::Module(folder) => format!("{folder}/{name}"),
            Self::Model | Self::Adapter | Self::Classifier => name.to_owned(),
        }
    }
}

impl Checkpoint {
    /// Returns the weight files of all owners, the model's first. Each owner's are those of the
    /// first layout that exists.
    pub(super) fn weight_files(&self) -> Result<&[WeightFiles], LoadError> {
        match self.weights.get() {
            Some(files) => Ok(files),
            None => {
                // In reverse, so that a missing small file is detected before the model's large
                // ones are downloaded.
                let open = |owner: &Owner| self.open_weights(owner);
                let mut files =
                    self.owners.iter().rev().map(open).collect::<Result<Vec<_>, _>>()?;
                files.reverse();
                Ok(self.weights.get_or_init(|| files))
            }
        }
    }

    pub(super) fn files_of(&self, owner: &Owner) -> Result<&WeightFiles, LoadError> {
        let found = self.weight_files()?.iter().find(|files| files.owner == *owner);
        found.ok_or_else(|| self.no_weights(owner))
    }

    /// Iterates over all weight files.
    pub(super) fn contents(&self) -> Result<impl Iterator<Item = &(Arc<str>, Content)>, LoadError> {
        Ok(self.weight_files()?.iter().flat_map(|files| &files.contents))
    }

    fn open_weights(&self, owner: &Owner) -> Result<WeightFiles, LoadError> {
        let found = owner.layouts().iter().find_map(|layout| {
            let whole = Some((owner.path(layout.whole), None));
            let index = layout.index.map(|name| (owner.path(name), Some(name)));
            let names = [whole, index].into_iter().flatten();
            let (main, index) = names.into_iter().find(|(name, _)| self.has(name))?;
            Some((main, index, layout.format))
        });
        let (main, index, format) = found.ok_or_else(|| self.no_weights(owner))?;
        let names = match index {
            None => vec![main.clone()],
            Some(_) => {
                let shards = self.shards(&main)?;
                shards.iter().map(|name| owner.path(name)).collect()
            }
        };
        let contents = names.into_iter().map(|name| self.open(name)).collect::<Result<_, _>>()?;
        Ok(WeightFiles { owner: owner.clone(), main, format, contents })
    }

    fn no_weights(&self, owner: &Owner) -> LoadError {
        let names = owner.layouts().iter().flat_map(|layout| [Some(layout.whole), layout.index]);
        let names: Vec<&str> = names.flatten().collect();
        let first = names.first().copied().unwrap_or(WEIGHTS);
        let absent = self.absent(&owner.path(first));
        let others: Vec<&str> = names.into_iter().filter(|name| *name != first).collect();
        match others.is_empty() {
            true => absent,
            false => {
                let reason = format!("{}, and none of {}", absent.reason, others.join(", "));
                LoadError { reason, ..absent }
            }
        }
    }

    fn shards(&self, index: &str) -> Result<Vec<String>, LoadError> {
        let names = self.location.read(index).and_then(|data| layout::shards(&data));
        names.map(Vec::from_iter).map_err(|reason| self.error(index, reason))
    }

    fn open(&self, name: String) -> Result<(Arc<str>, Content), LoadError> {
        if !self.has(&name) {
            return Err(self.absent(&name));
        }
        let content = self.location.open(&name).map_err(|reason| self.error(&name, reason))?;
        Ok((name.into(), content))
    }

    /// Returns a weight file. All reads of weights go through here, because it also checks
    /// for cancellation.
    pub(super) fn weight_file(&self, name: &str) -> Result<&Content, LoadError> {
        self.cancellation.check().map_err(|reason| self.error("", reason))?;
        let found = self.contents()?.find(|(file, _)| **file == *name);
        found.map(|(_, content)| content).ok_or_else(|| self.absent(name))
    }

    pub(super) fn len(&self, name: &str) -> Result<u64, LoadError> {
        self.weight_file(name)?.len().map_err(|error| self.error(name, error))
    }

    /// Reads `bytes` bytes of a weight file from `start`.
    pub(super) fn read_at(
        &self,
        name: &str,
        start: u64,
        bytes: usize,
    ) -> Result<Cow<'static, [u8]>, LoadError> {
        self.weight_file(name)?.read_at(start, bytes).map_err(|error| self.error(name, error))
    }

    pub(super) fn digest_weights(&self, hasher: &mut Sha256) -> Result<(), LoadError> {
        for (name, _) in self.contents()? {
            let length = self.len(name)?;
            digest_header(name, length, hasher);
            let mut start = 0;
            while start < length {
                let bytes = CHUNK.min((length - start) as usize);
                hasher.update(self.read_at(name, start, bytes)?);
                start += bytes as u64;
            }
        }
        Ok(())
    }
}
