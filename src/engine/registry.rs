//! The state of every model id: what serves, what is being loaded, what has failed.

use std::sync::{Arc, Weak};

use metrics::gauge;
use tokio_util::sync::DropGuard;

use super::spec::ModelSpec;
use super::status::{LoadFailure, Progress, Put, Status};
use crate::checkpoint::Drift;
use crate::error::{Code, Error, Result};
use crate::model::Model;

/// Maximum number of model ids.
const MAX_MODELS: usize = 64;

/// Seconds that clients should wait before they request a loading model again.
const RETRY_AFTER: u64 = 2;

/// Models that are served and loads in progress, in the order of the configuration.
#[derive(Default)]
pub struct Registry {
    entries: Vec<Entry>,
    /// Whether all configured models have been loaded or have failed.
    pub started: bool,
    next_number: u64,
    /// Removed models that may still have requests in flight.
    leaving: Vec<(String, Weak<Model>)>,
}

#[derive(Default)]
pub struct Entry {
    id: String,
    /// `None` for a model that was added without a spec.
    source: Option<ModelSpec>,
    model: Option<Arc<Model>>,
    drift: Option<Drift>,
    attempt: Option<Attempt>,
}

/// The most recent load for an entry, in progress or failed.
struct Attempt {
    number: u64,
    spec: ModelSpec,
    state: LoadState,
}

enum LoadState {
    /// Dropping this notifies those who wait for the load.
    Loading {
        _finished: DropGuard,
    },
    Failed(LoadFailure),
}

/// A registered load that has yet to run.
pub struct PendingLoad {
    pub id: String,
    pub number: u64,
    pub spec: ModelSpec,
}

impl Registry {
    /// Adds a model that is already loaded.
    pub fn add(&mut self, model: Arc<Model>) {
        let id = model.id.clone();
        self.entries.push(Entry { id, model: Some(model), ..Entry::default() });
        self.count();
    }

    /// Checks that startup is complete and that at least one model is served.
    pub fn ready(&self) -> Result<()> {
        match (self.started, self.models().is_empty()) {
            (false, _) => Err(still_loading()),
            (true, true) => {
                Err(Error::new(Code::NotReady, "no model is loaded; GET /models says why"))
            }
            (true, false) => Ok(()),
        }
    }

    pub fn models(&self) -> Vec<Arc<Model>> {
        self.entries.iter().filter_map(|entry| entry.model.clone()).collect()
    }

    /// Returns the model `id`, or the default one for `None`.
    pub fn get(&self, id: Option<&str>) -> Result<Arc<Model>> {
        let found = match id {
            Some(id) => self.entries.iter().find(|entry| entry.id == id),
            None => self.entries.first(),
        };
        match (found, id) {
            (Some(entry), _) => entry.serving(),
            (None, _) if !self.started => Err(still_loading()),
            (None, Some(id)) => Err(self.unknown(id)),
            (None, None) => Err(Error::new(Code::ModelNotFound, "no model is loaded")),
        }
    }

    /// Returns the states of all ids, those that are being unloaded last.
    pub fn list(&mut self) -> Vec<Status> {
        let mut list: Vec<Status> = self.entries.iter().map(Entry::status).collect();
        for id in self.unloading() {
            if list.iter().all(|status| status.id != id) {
                list.push(Status::unloading(id));
            }
        }
        list
    }

    /// Records whether a model's files have changed; returns whether this differs from before.
    pub fn note_drift(&mut self, model: &Arc<Model>, drift: Option<Drift>) -> bool {
        let serves =
            |entry: &&mut Entry| entry.model.as_ref().is_some_and(|m| Arc::ptr_eq(m, model));
        let Some(entry) = self.entries.iter_mut().find(serves) else { return false };
        let changed = entry.drift != drift;
        entry.drift = drift;
        self.count();
        changed
    }

    /// Sorts the models in this order; ids that it does not name come last.
    pub fn arrange(&mut self, ids: &[&str]) {
        let index = |entry: &Entry| ids.iter().position(|id| *id == entry.id);
        self.entries.sort_by_key(|entry| index(entry).unwrap_or(usize::MAX));
    }

    /// Removes and returns an entry, which may free gigabytes when it is dropped.
    pub fn remove(&mut self, id: &str) -> Result<Entry> {
        let index = self.entries.iter().position(|entry| entry.id == id);
        let index = index.ok_or_else(|| self.unknown(id))?;
        let entry = self.entries.remove(index);
        if let Some(model) = &entry.model {
            self.leaving.push((id.to_owned(), Arc::downgrade(model)));
        }
        self.count();
        Ok(entry)
    }

    /// Registers a load of `spec` for `id`. Returns no load if the model is already served or
    /// being loaded.
    pub fn enter(
        &mut self,
        id: &str,
        spec: ModelSpec,
        finished: DropGuard,
    ) -> Result<(Put, Option<PendingLoad>)> {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            match &entry.attempt {
                Some(Attempt { state: LoadState::Loading { .. }, spec: other, .. }) => {
                    return if *other == spec { Ok((Put::Loading, None)) } else { Err(busy(id)) };
                }
                // An earlier failure to replace it no longer matters.
                _ if entry.serves(&spec) => {
                    entry.attempt = None;
                    return Ok((Put::Same, None));
                }
                _ => {}
            }
        } else if self.entries.len() >= MAX_MODELS {
            let detail = format!("there are already {MAX_MODELS} models, the maximum; DELETE one");
            return Err(Error::new(Code::TooManyModels, detail));
        }
        let number = self.next_number;
        self.next_number += 1;
        let state = LoadState::Loading { _finished: finished };
        let attempt = Some(Attempt { number, spec: spec.clone(), state });
        let id = id.to_owned();
        match self.entries.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.attempt = attempt,
            None => self.entries.push(Entry { id: id.clone(), attempt, ..Entry::default() }),
        }
        Ok((Put::Loading, Some(PendingLoad { id, number, spec })))
    }

    /// Returns whether an earlier load of the same spec is in progress, whose weights can be shared.
    pub fn waits_for_another(&self, load: &PendingLoad) -> bool {
        let mut attempts = self.entries.iter().filter_map(|entry| entry.attempt.as_ref());
        attempts.any(|other| {
            other.number < load.number && other.spec == load.spec && other.is_loading()
        })
    }

    /// Returns the served models that were loaded from the same spec.
    pub fn same_spec(&self, spec: &ModelSpec) -> Vec<Arc<Model>> {
        let same_spec = self.entries.iter().filter(|entry| entry.source.as_ref() == Some(spec));
        same_spec.filter_map(|entry| entry.model.clone()).collect()
    }

    /// Records the result of a load. Returns what is no longer needed: what the entry was before,
    /// or the result, if the load is no longer registered.
    pub fn settle(&mut self, load: &PendingLoad, result: Result<Model, LoadFailure>) -> Entry {
        let waits = |attempt: &Attempt| attempt.number == load.number && attempt.is_loading();
        let waits = |entry: &&mut Entry| entry.attempt.as_ref().is_some_and(waits);
        let Some(entry) = self.entries.iter_mut().find(waits) else {
            return Entry { model: result.ok().map(Arc::new), ..Entry::default() };
        };
        let (model, attempt) = match result {
            Ok(model) => {
                entry.source = Some(load.spec.clone());
                entry.drift = None;
                (entry.model.replace(Arc::new(model)), entry.attempt.take())
            }
            Err(failure) => {
                let (number, spec) = (load.number, load.spec.clone());
                let failed = Attempt { number, spec, state: LoadState::Failed(failure) };
                (None, entry.attempt.replace(failed))
            }
        };
        if let Some(model) = &model {
            self.leaving.push((load.id.clone(), Arc::downgrade(model)));
        }
        self.count();
        Entry { model, attempt, ..Entry::default() }
    }

    /// Returns the ids of removed models that are still in use.
    pub fn unloading(&mut self) -> Vec<String> {
        self.leaving.retain(|(_, model)| model.strong_count() > 0);
        self.leaving.iter().map(|(id, _)| id.clone()).collect()
    }

    fn count(&self) {
        let serving = self.entries.iter().filter(|entry| entry.model.is_some()).count();
        gauge!("explaind_models").set(serving as f64);
        let drifted = self.entries.iter().filter(|entry| entry.drift.is_some()).count();
        gauge!("explaind_models_drifted").set(drifted as f64);
    }

    pub fn unknown(&self, id: &str) -> Error {
        let known: Vec<&str> = self.entries.iter().map(|entry| entry.id.as_str()).collect();
        let detail = match known.is_empty() {
            true => format!("no model is called {id:?}; none is loaded"),
            false => format!("no model is called {id:?}; available: {}", known.join(", ")),
        };
        Error::new(Code::ModelNotFound, detail)
    }
}

impl Attempt {
    fn is_loading(&self) -> bool {
        matches!(self.state, LoadState::Loading { .. })
    }
}

impl Entry {
    fn status(&self) -> Status {
        let progress = self.attempt.as_ref().map(|attempt| match &attempt.state {
            LoadState::Loading { .. } => Progress::Loading,
            LoadState::Failed(failure) => Progress::Failed(failure.clone()),
        });
        let drift = self.drift.clone();
        Status { id: self.id.clone(), model: self.model.clone(), drift, progress }
    }

    /// Returns whether the entry serves this spec, with unchanged files.
    fn serves(&self, spec: &ModelSpec) -> bool {
        self.model.is_some() && self.source.as_ref() == Some(spec) && self.drift.is_none()
    }

    fn serving(&self) -> Result<Arc<Model>> {
        let failed = match (&self.model, &self.attempt) {
            (Some(model), _) => return Ok(Arc::clone(model)),
            (None, Some(Attempt { state: LoadState::Failed(failure), .. })) => failure.public(),
            (None, _) => {
                let detail = format!("the model {} is loading; try again later", self.id);
                return Err(later(Error::new(Code::NotReady, detail)));
            }
        };
        let detail = format!("the model {} could not be loaded: {failed}", self.id);
        Err(Error::new(Code::NotReady, detail))
    }
}

fn still_loading() -> Error {
    later(Error::new(Code::NotReady, "the models are still loading"))
}

fn busy(id: &str) -> Error {
    let detail = format!(
        "{id} is being loaded from another source; wait until it is ready or has failed, or \
         DELETE it"
    );
    later(Error::new(Code::ModelLoading, detail))
}

fn later(error: Error) -> Error {
    Error { retry_after: Some(RETRY_AFTER), ..error }
}
