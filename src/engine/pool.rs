//! The models in memory, by id, in the order of the configuration.

use std::sync::{Arc, OnceLock};

use crate::error::{Code, Error, Result};
use crate::model::Model;

/// Filled once, when every configured model is loaded.
#[derive(Default)]
pub struct ModelPool {
    models: OnceLock<Vec<Arc<Model>>>,
}

impl ModelPool {
    /// Makes the models available. Later calls change nothing.
    pub fn fill(&self, models: Vec<Arc<Model>>) {
        let _ = self.models.set(models);
    }

    /// The loaded models, the default one first.
    pub fn all(&self) -> Result<&[Arc<Model>]> {
        let models = self.models.get().map(Vec::as_slice);
        models.ok_or_else(|| Error::new(Code::NotReady, "the models are still loading"))
    }

    /// The model `id`, or the first where none is named.
    pub fn get(&self, id: Option<&str>) -> Result<&Arc<Model>> {
        let models = self.all()?;
        let Some(id) = id else {
            return models.first().ok_or_else(|| Error::new(Code::ModelNotFound, "no model"));
        };
        models.iter().find(|model| model.id == id).ok_or_else(|| {
            let known: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            let detail = format!("no model is called {id:?}; there is {}", known.join(", "));
            Error::new(Code::ModelNotFound, detail)
        })
    }
}
