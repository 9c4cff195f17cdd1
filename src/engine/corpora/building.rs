//! Builds an index on its own thread: loads the stored index if it is current, otherwise embeds
//! all samples.

#[cfg(feature = "pgvector")]
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{CorpusSpec, Origin, Progress};
#[cfg(feature = "pgvector")]
use crate::corpus::database::Database;
use crate::corpus::{
    self, Address, Content, Corpus, CorpusError, Index, Key, Limits, Location, Representation,
    embed,
};
use crate::error::{Error, Result};
use crate::model::Model;

/// Interval between progress log lines.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// An index to build.
pub struct Job {
    pub spec: Arc<CorpusSpec>,
    pub model: Arc<Model>,
    pub representation: Representation,
    pub limits: Limits,
}

/// Starts building the index. The work is cancelled when the receiver is dropped.
pub fn start(job: Job) -> Result<watch::Receiver<Progress>> {
    let (tx, progress) = watch::channel(Progress::Building { done: 0, of: 0 });
    let work = move || {
        let start = Instant::now();
        let id = &job.spec.id;
        let result = job.make(&tx);
        match &result {
            Ok(index) => {
                let ms = start.elapsed().as_millis() as u64;
                info!(id, samples = index.len(), width = index.width(), ms, "corpus ready");
            }
            Err(error) => error!(id, %error, "a corpus cannot be used"),
        }
        let result = result.map_or_else(Progress::Failed, |index| Progress::Ready(Arc::new(index)));
        tx.send_replace(result);
    };
    let thread = thread::Builder::new().name("explaind-corpus".to_owned());
    thread.spawn(work).map_err(Error::internal)?;
    Ok(progress)
}

impl Job {
    fn make(&self, tx: &watch::Sender<Progress>) -> Result<Index, CorpusError> {
        // Use half of the cores; the others serve requests.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(cores.div_ceil(2)).build();
        let threads = threads.map_err(|error| CorpusError(error.to_string()))?;
        threads.install(|| match &self.spec.origin {
            Origin::File(path) => self.stored_or_new(Content::read(path, self.limits)?, tx),
            Origin::Sent(corpus) => self.embed(corpus, tx),
            Origin::BuiltIn(lines) => {
                self.embed(&Corpus::built_in(&self.spec.id, lines, self.limits)?, tx)
            }
        })
    }

    /// Opens the stored index, or builds and stores a new one.
    fn stored_or_new(
        &self,
        content: Content,
        tx: &watch::Sender<Progress>,
    ) -> Result<Index, CorpusError> {
        let (id, representation) = (&self.spec.id, self.representation);
        let key = Key {
            revision: self.model.revision.clone(),
            digest: content.digest.clone(),
            representation,
        };
        let embed = || self.embed(&content.corpus(self.limits)?, tx);
        match self.spec.stored_at(representation.similarity()) {
            None => embed(),
            Some(Location::File(path)) => in_file(id, &path, &key, embed),
            Some(Location::Database(address, name)) => in_database(&address, &name, &key, embed),
        }
    }

    fn embed(&self, corpus: &Corpus, tx: &watch::Sender<Progress>) -> Result<Index, CorpusError> {
        let counter = StepCounter::new(&self.spec.id, corpus.samples.len(), tx);
        let samples = &corpus.samples;
        let embedded = embed(&self.model, samples, self.representation, &|more| counter.add(more))?;
        let key = corpus.key(&self.model.revision, self.representation);
        Index::new(key, samples, embedded, &|more, of| counter.held(more, of))
    }
}

/// Opens the index of a file, or builds it and writes the file.
fn in_file(
    id: &str,
    path: &Path,
    key: &Key,
    embed: impl FnOnce() -> Result<Index, CorpusError>,
) -> Result<Index, CorpusError> {
    if path.exists() {
        match corpus::open(path, key) {
            Ok(index) => return Ok(index),
            Err(reason) => {
                warn!(id, file = %path.display(), %reason, "the stored index is rebuilt");
            }
        }
    }
    let index = embed()?;
    match corpus::write(path, &index) {
        // Reopened from the file, the index takes a fifth of the memory.
        Ok(()) => Ok(corpus::open(path, key).unwrap_or(index)),
        Err(error) => {
            warn!(id, file = %path.display(), %error, "the index is kept in memory only");
            Ok(index)
        }
    }
}

/// Opens the index of a database, or builds it and inserts it.
#[cfg(feature = "pgvector")]
fn in_database(
    address: &Address,
    name: &str,
    key: &Key,
    embed: impl FnOnce() -> Result<Index, CorpusError>,
) -> Result<Index, CorpusError> {
    let unreachable = |error: io::Error| CorpusError(format!("{address}: {error}"));
    let database = Database::connect(address).map_err(unreachable)?;
    if let Some(index) = database.open(key).map_err(unreachable)? {
        return Ok(index);
    }
    database.insert(name, &embed()?).map_err(unreachable)
}

/// The configuration rejects databases in a build without the feature.
#[cfg(not(feature = "pgvector"))]
fn in_database(
    address: &Address,
    _name: &str,
    _key: &Key,
    _embed: impl FnOnce() -> Result<Index, CorpusError>,
) -> Result<Index, CorpusError> {
    Err(CorpusError(format!("{address}: this build cannot use a database (feature pgvector)")))
}

/// Reports progress to the watch channel and the log.
struct StepCounter<'a> {
    id: &'a str,
    samples: usize,
    done: AtomicUsize,
    /// Time of the last log line, in seconds since the start.
    logged: AtomicUsize,
    start: Instant,
    tx: &'a watch::Sender<Progress>,
}

impl<'a> StepCounter<'a> {
    fn new(id: &'a str, samples: usize, tx: &'a watch::Sender<Progress>) -> Self {
        let (done, logged) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { id, samples, done, logged, start: Instant::now(), tx }
    }

    /// Adds embedded samples; returns whether a receiver still exists.
    fn add(&self, more: usize) -> bool {
        self.report(more, self.samples);
        !self.tx.is_closed()
    }

    /// Adds scored calibration samples, of `of` in total.
    fn held(&self, more: usize, of: usize) {
        self.report(more, self.samples + of);
    }

    fn report(&self, more: usize, of: usize) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        self.tx.send_replace(Progress::Building { done, of });
        let seconds = self.start.elapsed().as_secs() as usize;
        let last = self.logged.load(Ordering::Relaxed);
        let due = seconds >= last + LOG_EVERY.as_secs() as usize;
        let exchange = |to| {
            self.logged.compare_exchange(last, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if due && exchange(seconds) {
            info!(id = self.id, done, of, "corpus is being embedded");
        }
    }
}
