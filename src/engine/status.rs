//! What is known of the models of the pool, for those who ask.

use std::sync::Arc;

use crate::checkpoint::{Drift, LoadError};
use crate::error::{Code, Error};
use crate::model::Model;

/// Why a model could not be loaded.
#[derive(Debug, Clone)]
pub struct LoadFailure {
    /// For the log and for who has the admin key: it may name folders.
    pub error: Error,
    /// Its detail for all others.
    public: String,
}

impl LoadFailure {
    /// What all may know of it.
    pub fn public(&self) -> Error {
        Error { detail: self.public.clone(), ..self.error.clone() }
    }
}

impl From<Error> for LoadFailure {
    /// Of an error that names no folder.
    fn from(error: Error) -> Self {
        Self { public: error.detail.clone(), error }
    }
}

impl From<LoadError> for LoadFailure {
    fn from(error: LoadError) -> Self {
        let what = if error.file.is_empty() { "the source" } else { &error.file };
        let public = format!(
            "{what} cannot be read; the log says why, and GET /models/{{id}} with the admin key"
        );
        Self { error: Error::new(Code::ModelInvalid, error.to_string()), public }
    }
}

/// How far a model is that does not serve, or not yet.
#[derive(Debug, Clone)]
pub enum Progress {
    Loading,
    Failed(LoadFailure),
    /// It is in use by the requests that were there before.
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

/// What is known of an id.
#[derive(Clone)]
pub struct Status {
    pub id: String,
    /// The one that serves.
    pub model: Option<Arc<Model>>,
    /// How its files are not what it was loaded from.
    pub drift: Option<Drift>,
    /// Of the one that is to take its place, or of itself where none serves.
    pub progress: Option<Progress>,
}

/// What a request to load came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// It serves already.
    Same,
    Loading,
}
