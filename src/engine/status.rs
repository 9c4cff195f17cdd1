//! States of the pool's models, as reported to clients.

use std::sync::Arc;

use crate::checkpoint::{Drift, LoadError};
use crate::error::{Code, Error};
use crate::model::Model;

/// Why a model could not be loaded.
#[derive(Debug, Clone)]
pub struct LoadFailure {
    /// For the log and for holders of the admin key: may name folders.
    pub error: Error,
    /// The detail for all other clients.
    public: String,
}

impl LoadFailure {
    /// The error without details that only admins may see.
    pub fn public(&self) -> Error {
        Error { detail: self.public.clone(), ..self.error.clone() }
    }
}

impl From<Error> for LoadFailure {
    /// Converts an error that names no folder.
    fn from(error: Error) -> Self {
        Self { public: error.detail.clone(), error }
    }
}

impl From<LoadError> for LoadFailure {
    fn from(error: LoadError) -> Self {
        let what = if error.file.is_empty() { "the source" } else { &error.file };
        let public = format!(
            "{what} cannot be read; the log has the reason, as has GET /models/{{id}} with the admin key"
        );
        Self { error: Error::new(Code::ModelInvalid, error.to_string()), public }
    }
}

/// State of a model that is not being served, or not yet.
#[derive(Debug, Clone)]
pub enum Progress {
    Loading,
    Failed(LoadFailure),
    /// Removed, but still used by earlier requests.
    Unloading,
}

impl Progress {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Failed(_) => "failed",
            Self::Unloading => "unloading",
        }
    }
}

/// State of a model id.
#[derive(Clone)]
pub struct Status {
    pub id: String,
    /// The model that serves requests.
    pub model: Option<Arc<Model>>,
    /// How its files differ from what was loaded.
    pub drift: Option<Drift>,
    /// State of the model that will replace it or, if none serves, of this id's own model.
    pub progress: Option<Progress>,
}

impl Status {
    pub fn unloading(id: String) -> Self {
        Self { id, model: None, drift: None, progress: Some(Progress::Unloading) }
    }
}

/// Outcome of a request to load a model.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// The same model is already served.
    Same,
    Loading,
}
