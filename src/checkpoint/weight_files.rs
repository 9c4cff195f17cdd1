//! The files that hold a checkpoint's tensors.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::content::Content;
use super::layout::{self, Format, WEIGHT_LAYOUTS, WEIGHTS};
use super::{Checkpoint, LoadError, digest_head};

#[derive(Debug)]
pub struct WeightFiles {
    /// The one file, or the index of several.
    pub main: &'static str,
    pub format: Format,
    pub contents: Vec<(Arc<str>, Content)>,
}

/// Bytes of a large file that are digested at a time.
const PIECE: usize = 1 << 20;

impl Checkpoint {
    /// The files of the first layout that is there.
    pub(super) fn weight_files(&self) -> Result<&WeightFiles, LoadError> {
        match self.weights.get() {
            Some(files) => Ok(files),
            None => {
                let files = self.open_weights()?;
                Ok(self.weights.get_or_init(|| files))
            }
        }
    }

    fn open_weights(&self) -> Result<WeightFiles, LoadError> {
        let found = WEIGHT_LAYOUTS.iter().find_map(|layout| {
            let main = [layout.whole, layout.index].into_iter().find(|name| self.has(name))?;
            Some((main, layout))
        });
        let (main, layout) = found.ok_or_else(|| self.no_weights())?;
        let names = match main == layout.whole {
            true => vec![main.to_owned()],
            false => self.shards(main)?,
        };
        let contents = names.into_iter().map(|name| self.open(name)).collect::<Result<_, _>>()?;
        Ok(WeightFiles { main, format: layout.format, contents })
    }

    fn no_weights(&self) -> LoadError {
        let names = WEIGHT_LAYOUTS.iter().flat_map(|layout| [layout.whole, layout.index]);
        let names: Vec<&str> = names.filter(|name| *name != WEIGHTS).collect();
        let absent = self.absent(WEIGHTS);
        let reason = format!("{}; nor is there one of {}", absent.reason, names.join(", "));
        LoadError { reason, ..absent }
    }

    fn shards(&self, index: &'static str) -> Result<Vec<String>, LoadError> {
        let names = self.place.read(index).and_then(|data| layout::shards(&data));
        names.map(Vec::from_iter).map_err(|reason| self.error(index, reason))
    }

    fn open(&self, name: String) -> Result<(Arc<str>, Content), LoadError> {
        if !self.has(&name) {
            return Err(self.absent(&name));
        }
        let content = self.place.open(&name).map_err(|reason| self.error(&name, reason))?;
        Ok((name.into(), content))
    }

    /// A file that holds tensors. Whatever is read of one is asked for here first, so
    /// that a load that was cancelled goes no further.
    pub(super) fn large(&self, name: &str) -> Result<&Content, LoadError> {
        self.cancellation.check().map_err(|reason| self.error("", reason))?;
        let mut contents = self.weight_files()?.contents.iter();
        let found = contents.find(|(file, _)| **file == *name);
        found.map(|(_, content)| content).ok_or_else(|| self.absent(name))
    }

    pub(super) fn len(&self, name: &str) -> Result<u64, LoadError> {
        self.large(name)?.len().map_err(|error| self.error(name, error))
    }

    /// `bytes` of a file that holds tensors, from `start` on.
    pub(super) fn read_at(
        &self,
        name: &str,
        start: u64,
        bytes: usize,
    ) -> Result<Cow<'static, [u8]>, LoadError> {
        self.large(name)?.read_at(start, bytes).map_err(|error| self.error(name, error))
    }

    pub(super) fn digest_weights(&self, hasher: &mut Sha256) -> Result<(), LoadError> {
        for (name, _) in &self.weight_files()?.contents {
            let length = self.len(name)?;
            digest_head(name, length, hasher);
            let mut start = 0;
            while start < length {
                let bytes = PIECE.min((length - start) as usize);
                hasher.update(self.read_at(name, start, bytes)?);
                start += bytes as u64;
            }
        }
        Ok(())
    }
}
