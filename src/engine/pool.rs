//! The models by id, in the order of the configuration, and how far those are
//! that are being loaded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;

use super::loading::{LOADS_AT_A_TIME, Wanted};
use super::status::{LoadFailure, Progress, Put, Status};
use crate::checkpoint::{Allowed, Drift};
use crate::error::{Code, Error, Result};
use crate::model::{Budget, Model, Placement};

/// The longest that a load may take where nothing else is said.
pub const LOAD_TIME: Duration = Duration::from_secs(3_600);

/// Ids that there may be.
pub const MOST_MODELS: usize = 64;

/// Seconds after which to ask for a model again that is loading.
const RETRY_AFTER: u64 = 2;

/// What is served, and what is on its way.
pub struct ModelPool {
    state: Mutex<State>,
    pub(super) budget: Arc<Budget>,
    pub(super) placement: Placement,
    pub(super) permits: Arc<Semaphore>,
    /// The longest that a load may take.
    pub(super) load_time: Duration,
    /// What a model's files may lead to.
    pub(super) allowed: Allowed,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// Whether the configured models have been loaded, or have failed.
    started: bool,
    next_number: u64,
    /// Taken out, with requests in flight perhaps.
    leaving: Vec<(String, Weak<Model>)>,
}

struct Entry {
    id: String,
    /// None for a model that was put in as it is.
    source: Option<Wanted>,
    model: Option<Arc<Model>>,
    drift: Option<Drift>,
    attempt: Option<Attempt>,
}

/// A model on its way to be an entry's.
struct Attempt {
    number: u64,
    wanted: Wanted,
    fate: Fate,
}

enum Fate {
    /// Whoever waits for its end is told when this is dropped.
    Loading {
        _over: DropGuard,
    },
    Failed(LoadFailure),
}

/// A load that has been entered and is to be run.
pub(super) struct Entered {
    pub id: String,
    pub number: u64,
    pub wanted: Wanted,
}

impl Default for ModelPool {
    fn default() -> Self {
        Self::new(Budget::default(), Placement::default(), LOAD_TIME)
    }
}

impl ModelPool {
    pub fn new(budget: Budget, placement: Placement, load_time: Duration) -> Self {
        Self {
            state: Mutex::default(),
            budget: Arc::new(budget),
            placement,
            permits: Arc::new(Semaphore::new(LOADS_AT_A_TIME)),
            load_time,
            allowed: Allowed::default(),
        }
    }

    /// The same, where a model's files may lead only to what is allowed.
    pub fn within(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all weights in memory, each once.
    pub fn memory_bytes(&self) -> usize {
        self.budget.used()
    }

    /// Serves these models as they are.
    pub fn fill(&self, models: Vec<Arc<Model>>) {
        let mut state = self.lock();
        state.entries.extend(models.into_iter().map(|model| Entry {
            id: model.id.clone(),
            source: None,
            model: Some(model),
            drift: None,
            attempt: None,
        }));
        state.started = true;
        state.count();
    }

    /// From now on, an id that is not there will not come by itself.
    pub(super) fn started(&self) {
        self.lock().started = true;
    }

    pub(super) fn is_started(&self) -> bool {
        self.lock().started
    }

    /// Whether requests can be answered: the configured models have had their
    /// turn, and one at least serves.
    pub fn ready(&self) -> Result<()> {
        let state = self.lock();
        if !state.started {
            return Err(still_loading());
        }
        match state.entries.iter().any(|entry| entry.model.is_some()) {
            true => Ok(()),
            false => Err(Error::new(Code::NotReady, "no model is loaded; GET /models says why")),
        }
    }

    /// The models that serve, the default one first.
    pub fn models(&self) -> Vec<Arc<Model>> {
        self.lock().entries.iter().filter_map(|entry| entry.model.clone()).collect()
    }

    /// The model `id`, or the first where none is named.
    pub fn get(&self, id: Option<&str>) -> Result<Arc<Model>> {
        let state = self.lock();
        let found = match id {
            Some(id) => state.entries.iter().find(|entry| entry.id == id),
            None => state.entries.first(),
        };
        match (found, id) {
            (Some(entry), _) => entry.serving(),
            (None, _) if !state.started => Err(still_loading()),
            (None, Some(id)) => Err(state.unknown(id)),
            (None, None) => Err(Error::new(Code::ModelNotFound, "no model is loaded")),
        }
    }

    /// Every id, the default one first, those that are on their way out last.
    pub fn list(&self) -> Vec<Status> {
        let mut state = self.lock();
        let mut list: Vec<Status> = state.entries.iter().map(Entry::status).collect();
        for id in state.unloading() {
            if list.iter().all(|status| status.id != id) {
                list.push(Status {
                    id,
                    model: None,
                    drift: None,
                    progress: Some(Progress::Unloading),
                });
            }
        }
        list
    }

    pub fn status(&self, id: &str) -> Result<Status> {
        let found = self.list().into_iter().find(|status| status.id == id);
        found.ok_or_else(|| self.lock().unknown(id))
    }

    /// Notes how a model's files are; whether that is news.
    pub(super) fn note_drift(&self, model: &Arc<Model>, drift: Option<Drift>) -> bool {
        let mut state = self.lock();
        let serves =
            |entry: &&mut Entry| entry.model.as_ref().is_some_and(|m| Arc::ptr_eq(m, model));
        let Some(entry) = state.entries.iter_mut().find(serves) else { return false };
        let news = entry.drift != drift;
        entry.drift = drift;
        state.count();
        news
    }

    /// Puts the models in this order, and those that it does not name after them.
    pub fn arrange(&self, ids: &[&str]) {
        let place = |entry: &Entry| ids.iter().position(|id| *id == entry.id);
        self.lock().entries.sort_by_key(|entry| place(entry).unwrap_or(usize::MAX));
    }

    /// Takes a model out: no new request gets it. Whether any is in flight still
    /// is in the answer.
    pub fn remove(&self, id: &str) -> Result<Status> {
        let mut state = self.lock();
        let Some(place) = state.entries.iter().position(|entry| entry.id == id) else {
            return Err(state.unknown(id));
        };
        let entry = state.entries.remove(place);
        if let Some(model) = &entry.model {
            state.leaving.push((id.to_owned(), Arc::downgrade(model)));
        }
        state.count();
        drop(state);
        // Outside of the lock: this may give back gigabytes.
        drop(entry);
        let in_use = self.lock().unloading().iter().any(|other| other == id);
        let progress = in_use.then_some(Progress::Unloading);
        Ok(Status { id: id.to_owned(), model: None, drift: None, progress })
    }

    /// Notes that `id` is to be `wanted`; nothing is to be run where it is, or
    /// will be.
    pub(super) fn enter(
        &self,
        id: &str,
        wanted: Wanted,
        over: DropGuard,
    ) -> Result<(Put, Option<Entered>)> {
        let mut state = self.lock();
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.id == id) {
            match &entry.attempt {
                Some(Attempt { fate: Fate::Loading { .. }, wanted: other, .. }) => {
                    return if *other == wanted { Ok((Put::Loading, None)) } else { Err(busy(id)) };
                }
                // What failed to take its place is forgotten.
                _ if entry.serves(&wanted) => {
                    entry.attempt = None;
                    return Ok((Put::Same, None));
                }
                _ => {}
            }
        } else if state.entries.len() >= MOST_MODELS {
            let detail =
                format!("there are {MOST_MODELS} models, and no more are taken; DELETE one");
            return Err(Error::new(Code::TooManyModels, detail));
        }
        let number = state.next_number;
        state.next_number += 1;
        let fate = Fate::Loading { _over: over };
        let attempt = Some(Attempt { number, wanted: wanted.clone(), fate });
        match state.entries.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.attempt = attempt,
            None => {
                let id = id.to_owned();
                state.entries.push(Entry { id, source: None, model: None, drift: None, attempt });
            }
        }
        Ok((Put::Loading, Some(Entered { id: id.to_owned(), number, wanted })))
    }

    /// Whether an earlier load of the same is under way: its weights will do.
    pub(super) fn waits_for_another(&self, load: &Entered) -> bool {
        let state = self.lock();
        let mut attempts = state.entries.iter().filter_map(|entry| entry.attempt.as_ref());
        attempts.any(|other| {
            other.number < load.number
                && other.wanted == load.wanted
                && matches!(other.fate, Fate::Loading { .. })
        })
    }

    /// The models that were loaded from the same place.
    pub(super) fn alike(&self, wanted: &Wanted) -> Vec<Arc<Model>> {
        let state = self.lock();
        let alike = state.entries.iter().filter(|entry| entry.source.as_ref() == Some(wanted));
        alike.filter_map(|entry| entry.model.clone()).collect()
    }

    /// Puts a loaded model in its place, or notes why there is none. A load that
    /// nobody wants any more is dropped.
    pub(super) fn settle(&self, load: &Entered, result: Result<Model, LoadFailure>) {
        let mut state = self.lock();
        let Some(entry) = state.loading(load) else { return };
        let (old, ended) = match result {
            Ok(model) => {
                entry.source = Some(load.wanted.clone());
                entry.drift = None;
                (entry.model.replace(Arc::new(model)), entry.attempt.take())
            }
            Err(failure) => {
                let fate = Fate::Failed(failure);
                let Entered { number, wanted, .. } = load;
                let failed = Attempt { number: *number, wanted: wanted.clone(), fate };
                (None, entry.attempt.replace(failed))
            }
        };
        if let Some(old) = &old {
            state.leaving.push((load.id.clone(), Arc::downgrade(old)));
        }
        state.count();
        drop(state);
        drop((old, ended));
    }
}

impl State {
    /// The entry that waits for this load.
    fn loading(&mut self, load: &Entered) -> Option<&mut Entry> {
        let waits = |attempt: &Attempt| {
            attempt.number == load.number && matches!(attempt.fate, Fate::Loading { .. })
        };
        self.entries.iter_mut().find(|entry| entry.attempt.as_ref().is_some_and(waits))
    }

    /// The ids of models that were taken out and are in use still.
    fn unloading(&mut self) -> Vec<String> {
        self.leaving.retain(|(_, model)| model.strong_count() > 0);
        self.leaving.iter().map(|(id, _)| id.clone()).collect()
    }

    fn count(&self) {
        let serving = self.entries.iter().filter(|entry| entry.model.is_some()).count();
        gauge!("explaind_models").set(serving as f64);
        let drifted = self.entries.iter().filter(|entry| entry.drift.is_some()).count();
        gauge!("explaind_models_drifted").set(drifted as f64);
    }

    fn unknown(&self, id: &str) -> Error {
        let known: Vec<&str> = self.entries.iter().map(|entry| entry.id.as_str()).collect();
        let detail = match known.is_empty() {
            true => format!("no model is called {id:?}; none is loaded"),
            false => format!("no model is called {id:?}; there is {}", known.join(", ")),
        };
        Error::new(Code::ModelNotFound, detail)
    }
}

impl Entry {
    fn status(&self) -> Status {
        let progress = self.attempt.as_ref().map(|attempt| match &attempt.fate {
            Fate::Loading { .. } => Progress::Loading,
            Fate::Failed(failure) => Progress::Failed(failure.clone()),
        });
        let drift = self.drift.clone();
        Status { id: self.id.clone(), model: self.model.clone(), drift, progress }
    }

    /// Whether it is what is wanted, as that is now.
    fn serves(&self, wanted: &Wanted) -> bool {
        self.model.is_some() && self.source.as_ref() == Some(wanted) && self.drift.is_none()
    }

    fn serving(&self) -> Result<Arc<Model>> {
        let failed = match (&self.model, &self.attempt) {
            (Some(model), _) => return Ok(Arc::clone(model)),
            (None, Some(Attempt { fate: Fate::Failed(failure), .. })) => failure.public(),
            (None, _) => {
                let detail = format!("the model {} is loading; ask again", self.id);
                let error = Error::new(Code::NotReady, detail);
                return Err(Error { retry_after: Some(RETRY_AFTER), ..error });
            }
        };
        let detail = format!("the model {} could not be loaded: {failed}", self.id);
        Err(Error::new(Code::NotReady, detail))
    }
}

fn still_loading() -> Error {
    let error = Error::new(Code::NotReady, "the models are still loading");
    Error { retry_after: Some(RETRY_AFTER), ..error }
}

fn busy(id: &str) -> Error {
    let detail = format!(
        "{id} is being loaded from another source; wait until it is ready or has failed, or \
         DELETE it"
    );
    let error = Error::new(Code::ModelLoading, detail);
    Error { retry_after: Some(RETRY_AFTER), ..error }
}
