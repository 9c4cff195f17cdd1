//! The models by id. Loads run in the background (`loading`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::loader::Loader;
use super::registry::Registry;
use super::status::Status;
use crate::checkpoint::Allowed;
use crate::error::Result;
use crate::model::{Budget, Model, Placement};

/// Default time limit of a load.
pub const LOAD_TIME: Duration = Duration::from_secs(3_600);

/// Models that are served and loads in progress.
pub struct ModelPool {
    registry: Mutex<Registry>,
    pub(super) loader: Loader,
}

impl Default for ModelPool {
    fn default() -> Self {
        Self::new(Budget::default(), Placement::default(), LOAD_TIME)
    }
}

impl ModelPool {
    pub fn new(budget: Budget, placement: Placement, load_time: Duration) -> Self {
        let loader = Loader::new(budget, placement, load_time);
        Self { registry: Mutex::default(), loader }
    }

    /// Restricts what a model's files may refer to.
    pub fn within(mut self, allowed: Allowed) -> Self {
        self.loader.allowed = allowed;
        self
    }

    /// Sets the most tokens of a pass, which models on a device are tried with.
    pub fn with_passes_of(mut self, tokens: usize) -> Self {
        self.loader.pass_tokens = tokens;
        self
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all weights in memory; shared weights count once.
    pub fn memory_bytes(&self) -> usize {
        self.loader.budget.used()
    }

    /// Adds models that are already loaded.
    pub fn fill(&self, models: Vec<Arc<Model>>) {
        let mut registry = self.registry();
        models.into_iter().for_each(|model| registry.add(model));
        registry.started = true;
    }

    /// Adds a model that is already loaded, while others are still to be loaded.
    pub fn add(&self, model: Arc<Model>) {
        self.registry().add(model);
    }

    /// Checks whether requests can be answered: startup is complete, and at least one model is
    /// served.
    pub fn ready(&self) -> Result<()> {
        self.registry().ready()
    }

    /// The models that serve requests, the default one first.
    pub fn models(&self) -> Vec<Arc<Model>> {
        self.registry().models()
    }

    /// The model `id`, or the default one for `None`.
    pub fn get(&self, id: Option<&str>) -> Result<Arc<Model>> {
        self.registry().get(id)
    }

    /// States of all ids: the default one first, ids that are being unloaded last.
    pub fn list(&self) -> Vec<Status> {
        self.registry().list()
    }

    pub fn status(&self, id: &str) -> Result<Status> {
        let mut registry = self.registry();
        let found = registry.list().into_iter().find(|status| status.id == id);
        found.ok_or_else(|| registry.unknown(id))
    }

    /// Sorts the models in this order; ids that it does not name come last.
    pub fn arrange(&self, ids: &[&str]) {
        self.registry().arrange(ids);
    }

    /// Removes a model, so that no new request uses it. The status says whether requests in
    /// flight still do.
    pub fn remove(&self, id: &str) -> Result<Status> {
        let removed = self.registry().remove(id)?;
        // Outside of the lock, because this may free gigabytes.
        drop(removed);
        let in_use = self.registry().unloading().iter().any(|other| other == id);
        let status = Status::unloading(id.to_owned());
        Ok(Status { progress: status.progress.filter(|_| in_use), ..status })
    }
}
