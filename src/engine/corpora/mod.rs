//! The registry of corpora, with their indexes that are ready or being built.

mod building;
mod changes;
mod spec;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tracing::warn;

pub use spec::{CorpusSpec, Origin};

use crate::checkpoint::source::BUILTINS;
use crate::choice::Choice;
use crate::corpus::{CorpusError, Index, Limits, Representation, Similarity};
use crate::error::{Code, Error, Result};
use crate::files::Stamp;
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::StatePooling;

/// Maximum number of corpora besides the built-in ones.
pub const MOST_CORPORA: usize = 64;

/// Retry-After in seconds for a corpus that is being embedded.
const RETRY_AFTER: u64 = 2;

/// The state of an index.
#[derive(Clone)]
pub enum Progress {
    /// `done` of `of` steps are complete. A step embeds a sample or scores a calibration sample.
    Building {
        done: usize,
        of: usize,
    },
    Ready(Arc<Index>),
    Failed(CorpusError),
}

/// An index for one revision of the model.
struct Slot {
    revision: String,
    model: Weak<Model>,
    representation: Representation,
    /// The corpus's file when it was read last.
    stamp: Option<Stamp>,
    progress: watch::Receiver<Progress>,
    /// The index that will replace it, because the corpus's file has changed.
    next: Option<watch::Receiver<Progress>>,
}

impl Slot {
    /// Puts the next index in place if it is ready. The current one is kept if it failed.
    fn settle(&mut self) {
        let Some(next) = &self.next else { return };
        let end = next.borrow().clone();
        match end {
            Progress::Building { .. } => {}
            Progress::Failed(_) => self.next = None,
            Progress::Ready(_) => {
                self.progress = next.clone();
                self.next = None;
            }
        }
    }
}

struct Entry {
    spec: Arc<CorpusSpec>,
    slots: HashMap<Similarity, Slot>,
}

/// A corpus and the state of its indexes.
pub struct CorpusStatus {
    pub spec: Arc<CorpusSpec>,
    /// The indexes requested so far, by similarity.
    pub indexes: Vec<IndexStatus>,
}

/// The state of an index, and of the one that will replace it.
pub struct IndexStatus {
    pub similarity: Similarity,
    pub progress: Progress,
    pub next: Option<Progress>,
}

/// All corpora. Those of built-in models are always present.
pub struct Corpora {
    entries: Mutex<Vec<Entry>>,
    limits: Limits,
}

impl Corpora {
    pub fn new(limits: Limits) -> Self {
        let of_model = |builtin: &'static crate::checkpoint::source::Builtin| Entry {
            spec: Arc::new(CorpusSpec {
                id: builtin.name.to_owned(),
                origin: Origin::BuiltIn(builtin.corpus),
                model: builtin.name.to_owned(),
                layer: -1,
                pooling: StatePooling::Mean,
                store: None,
            }),
            slots: HashMap::new(),
        };
        Self { entries: Mutex::new(BUILTINS.iter().map(of_model).collect()), limits }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Adds a corpus, or replaces the one with the same id and drops its indexes.
    ///
    /// # Errors
    /// Fails if there are too many corpora, or if the id is that of a built-in corpus.
    pub fn put(&self, spec: CorpusSpec) -> Result<()> {
        let mut entries = self.lock();
        let index = entries.iter().position(|entry| entry.spec.id == spec.id);
        if index.is_some_and(|index| entries[index].spec.is_built_in()) {
            let detail = format!("{} is a built-in corpus; choose another id", spec.id);
            return Err(Error::field("", detail));
        }
        let entry = Entry { spec: Arc::new(spec), slots: HashMap::new() };
        match index {
            Some(index) => entries[index] = entry,
            None if entries.len() >= MOST_CORPORA + BUILTINS.len() => {
                let detail = format!("the limit of {MOST_CORPORA} corpora is reached");
                return Err(Error::field("", detail));
            }
            // Before the built-in corpora, which are defaults only if there is no other.
            None => {
                let index = entries.len() - BUILTINS.len();
                entries.insert(index, entry);
            }
        }
        Ok(())
    }

    /// Removes a corpus. Requests in flight still use it; files are kept.
    ///
    /// # Errors
    /// Fails if there is no such corpus, or if it is built in.
    pub fn remove(&self, id: &str) -> Result<()> {
        let mut entries = self.lock();
        let index = entries.iter().position(|entry| entry.spec.id == id);
        let index = index.ok_or_else(|| unknown(id, &entries))?;
        if entries[index].spec.is_built_in() {
            return Err(Error::field("", format!("{id} is built in and cannot be removed")));
        }
        entries.remove(index);
        Ok(())
    }

    /// Lists all corpora, the built-in ones last.
    pub fn list(&self) -> Vec<CorpusStatus> {
        let status = |entry: &mut Entry| {
            let index = |(similarity, slot): (&Similarity, &mut Slot)| {
                slot.settle();
                let progress = slot.progress.borrow().clone();
                let next = slot.next.as_ref().map(|next| next.borrow().clone());
                IndexStatus { similarity: *similarity, progress, next }
            };
            let mut indexes: Vec<_> = entry.slots.iter_mut().map(index).collect();
            indexes.sort_by_key(|index| index.similarity as u8);
            CorpusStatus { spec: Arc::clone(&entry.spec), indexes }
        };
        self.lock().iter_mut().map(status).collect()
    }

    /// Returns the corpus `id`, or the first corpus of the model if `id` is `None`.
    ///
    /// # Errors
    /// `corpus_not_found`, or `invalid_field` if it belongs to another model; at `/corpus`.
    pub fn get(&self, id: Option<&str>, model: &Model) -> Result<Arc<CorpusSpec>> {
        let entries = self.lock();
        let of_model = |spec: &CorpusSpec| match spec.origin {
            // The built-in model may be served under any id, so compare by script.
            Origin::BuiltIn(_) => BUILTINS
                .iter()
                .any(|one| one.name == spec.model && Some(one.script) == model.script),
            Origin::File(_) | Origin::Sent(_) => spec.model == model.id,
        };
        let found = match id {
            Some(id) => entries.iter().find(|entry| entry.spec.id == id),
            None => entries.iter().find(|entry| of_model(&entry.spec)),
        };
        match (found, id) {
            (Some(entry), _) if of_model(&entry.spec) => Ok(Arc::clone(&entry.spec)),
            (Some(entry), _) => {
                let Entry { spec, .. } = entry;
                let detail = format!("the corpus {} belongs to the model {}", spec.id, spec.model);
                Err(Error::field("/corpus", detail))
            }
            (None, Some(id)) => Err(unknown(id, &entries).at("/corpus")),
            (None, None) => {
                let detail = format!(
                    "there is no corpus of {}; configure one in [[corpora]], or PUT one to \
                     /corpora/ID",
                    model.id
                );
                Err(Error::new(Code::CorpusNotFound, detail).at("/corpus"))
            }
        }
    }

    /// Returns the progress of a corpus's index for the model's current revision. Starts building
    /// it if there is none, if it failed, or if it has another revision.
    ///
    /// # Errors
    /// `not_ready` if the corpus was removed or the model has no such layer.
    pub fn begin(
        &self,
        spec: &Arc<CorpusSpec>,
        model: &Arc<Model>,
        similarity: Similarity,
    ) -> Result<watch::Receiver<Progress>> {
        let representation = spec.representation(model, similarity)?;
        if let Some(progress) = current(&mut self.lock(), spec, model, similarity)? {
            return Ok(progress);
        }
        // Other requests need the lock, and a file system may be slow.
        let stamp = spec.stamp();
        let mut entries = self.lock();
        // Another request may have started it meanwhile.
        if let Some(progress) = current(&mut entries, spec, model, similarity)? {
            return Ok(progress);
        }
        let progress = self.start(spec, model, representation)?;
        let slot = Slot {
            revision: model.revision.clone(),
            model: Arc::downgrade(model),
            representation,
            stamp,
            progress: progress.clone(),
            next: None,
        };
        entry_of(&mut entries, spec)?.slots.insert(similarity, slot);
        Ok(progress)
    }

    fn start(
        &self,
        spec: &Arc<CorpusSpec>,
        model: &Arc<Model>,
        representation: Representation,
    ) -> Result<watch::Receiver<Progress>> {
        building::start(building::Job {
            spec: Arc::clone(spec),
            model: Arc::clone(model),
            representation,
            limits: self.limits,
        })
    }

    /// Drops an index that cannot be read any more, so that the next request opens or builds
    /// another. Logs the cause and returns the error for clients.
    pub fn unreadable(&self, spec: &CorpusSpec, index: &Arc<Index>, cause: &io::Error) -> Error {
        warn!(id = spec.id, %cause, "the index of a corpus cannot be read");
        self.forget(index);
        let detail = format!("the stored samples of the corpus {} cannot be read", spec.id);
        Error { retry_after: Some(RETRY_AFTER), ..Error::new(Code::NotReady, detail) }
    }

    fn forget(&self, index: &Arc<Index>) {
        let is_gone = |slot: &Slot| match &*slot.progress.borrow() {
            Progress::Ready(own) => Arc::ptr_eq(own, index),
            Progress::Building { .. } | Progress::Failed(_) => false,
        };
        for entry in self.lock().iter_mut() {
            entry.slots.retain(|_, slot| !is_gone(slot));
        }
    }

    /// Returns an index of the model's first configured corpus, if one is ready.
    pub fn ready(&self, model: &Model) -> Option<Arc<Index>> {
        let entries = self.lock();
        let of_model = |entry: &&Entry| !entry.spec.is_built_in() && entry.spec.model == model.id;
        let entry = entries.iter().find(of_model)?;
        let index = |similarity| {
            let slot =
                entry.slots.get(similarity).filter(|slot| slot.revision == model.revision)?;
            match &*slot.progress.borrow() {
                Progress::Ready(index) => Some(Arc::clone(index)),
                Progress::Building { .. } | Progress::Failed(_) => None,
            }
        };
        Similarity::ALL.iter().find_map(index)
    }

    /// Waits until the index is ready and returns it.
    ///
    /// # Errors
    /// See [`Self::begin`]; `not_ready` if it is not ready in time or cannot be built.
    pub async fn index(
        &self,
        spec: &Arc<CorpusSpec>,
        model: &Arc<Model>,
        similarity: Similarity,
        passes: &Passes,
    ) -> Result<Arc<Index>> {
        let mut progress = self.begin(spec, model, similarity)?;
        let finished = |progress: &Progress| !matches!(progress, Progress::Building { .. });
        // On a timeout or if the builder is gone, the current progress determines the error.
        let _ = passes.in_time(async { progress.wait_for(finished).await.is_ok() }).await;
        let now = progress.borrow().clone();
        match now {
            Progress::Ready(index) => Ok(index),
            Progress::Failed(error) => {
                let detail = format!("the corpus {} cannot be used: {error}", spec.id);
                Err(Error::new(Code::NotReady, detail))
            }
            Progress::Building { done, of } => {
                let detail = format!(
                    "the corpus {} is being embedded ({done} of {of} steps); retry later",
                    spec.id
                );
                let error = Error::new(Code::NotReady, detail);
                Err(Error { retry_after: Some(RETRY_AFTER), ..error })
            }
        }
    }
}

/// Returns the entry of a corpus.
///
/// # Errors
/// `not_ready` if it was removed.
fn entry_of<'a>(entries: &'a mut [Entry], spec: &Arc<CorpusSpec>) -> Result<&'a mut Entry> {
    let entry = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.spec, spec));
    entry.ok_or_else(|| Error::new(Code::NotReady, format!("the corpus {} was removed", spec.id)))
}

/// Returns the progress of the index for the model's current revision, unless it failed.
fn current(
    entries: &mut [Entry],
    spec: &Arc<CorpusSpec>,
    model: &Model,
    similarity: Similarity,
) -> Result<Option<watch::Receiver<Progress>>> {
    let slot = entry_of(entries, spec)?.slots.get_mut(&similarity);
    let Some(slot) = slot.filter(|slot| slot.revision == model.revision) else { return Ok(None) };
    slot.settle();
    let has_failed = matches!(*slot.progress.borrow(), Progress::Failed(_));
    Ok((!has_failed).then(|| slot.progress.clone()))
}

fn unknown(id: &str, entries: &[Entry]) -> Error {
    let known: Vec<&str> = entries.iter().map(|entry| entry.spec.id.as_str()).collect();
    let detail = format!("there is no corpus {id:?}; the corpora are {}", known.join(", "));
    Error::new(Code::CorpusNotFound, detail)
}
