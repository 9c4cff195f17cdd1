//! What is known of the models of the pool, for those who ask.

use std::sync::Arc;

use crate::checkpoint::Drift;
use crate::error::Error;
use crate::model::Model;

/// How far a model is that does not serve, or not yet.
#[derive(Debug, Clone)]
pub enum Progress {
    Loading,
    Failed(Error),
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
