//! What a corpus consists of, and where its indexes are stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::choice::Choice;
use crate::corpus::{Corpus, Location, Representation, Similarity, Store, states};
use crate::error::{Code, Error, Result};
use crate::files::Stamp;
use crate::model::Model;
use crate::rows::{PooledState, StatePooling};

/// The source of a corpus's samples.
#[derive(Debug, Clone)]
pub enum Origin {
    /// JSON Lines embedded in the binary.
    BuiltIn(&'static [u8]),
    File(PathBuf),
    /// Samples from a request, kept in memory.
    Sent(Arc<Corpus>),
}

/// The configuration of a corpus, which belongs to one model.
#[derive(Debug, Clone)]
pub struct CorpusSpec {
    pub id: String,
    pub origin: Origin,
    /// The id of the model.
    pub model: String,
    /// The layer whose hidden states represent a text; -1 is the last.
    pub layer: i64,
    pub pooling: StatePooling,
    /// Where indexes are stored; the corpus file's folder by default.
    pub store: Option<Store>,
}

impl CorpusSpec {
    pub fn is_built_in(&self) -> bool {
        matches!(self.origin, Origin::BuiltIn(_))
    }

    /// Returns the representation of texts; fails if the model has no such layer.
    pub(super) fn representation(
        &self,
        model: &Model,
        similarity: Similarity,
    ) -> Result<Representation> {
        match similarity {
            Similarity::Gradient => Ok(Representation::Gradient),
            Similarity::Cosine => {
                let layer = states::layer(model, self.layer).map_err(|reason| {
                    Error::new(Code::NotReady, format!("the corpus {}: {reason}", self.id))
                })?;
                Ok(Representation::State(PooledState { layer, pooling: self.pooling }))
            }
        }
    }

    /// Returns the metadata of the corpus's file, if it has one.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        match &self.origin {
            Origin::File(path) => Stamp::of(path).ok(),
            Origin::BuiltIn(_) | Origin::Sent(_) => None,
        }
    }

    /// Returns the store of an index; `None` for a corpus that has no file.
    pub(super) fn stored_at(&self, similarity: Similarity) -> Option<Location> {
        let Origin::File(data) = &self.origin else { return None };
        let name = format!("{}.{}", self.id, similarity.name());
        let in_folder = |folder: Option<&Path>| {
            let file = data.file_name().unwrap_or_default().to_string_lossy();
            let file = format!("{file}.{name}.index");
            Location::File(folder.map_or_else(|| PathBuf::from(&file), |folder| folder.join(&file)))
        };
        Some(match &self.store {
            None => in_folder(data.parent()),
            Some(Store::Folder(folder)) => in_folder(Some(folder)),
            Some(Store::Database(address)) => Location::Database(address.clone(), name),
        })
    }
}
