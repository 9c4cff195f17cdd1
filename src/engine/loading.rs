//! Loading beside the answers: in the background, few at a time, on threads of
//! their own.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::pool::{Entered, ModelPool};
use super::probe;
use super::status::{LoadFailure, Progress, Put};
use crate::checkpoint::{Cancellation, Source};
use crate::error::{Code, Error, Result};
use crate::heads::activation::OutputActivation;
use crate::model::{Described, Full, Model};

/// Loads that run side by side; others wait. A download must not keep a folder
/// from being loaded.
pub const LOADS_AT_A_TIME: usize = 2;

/// How often a load that waits for another of the same looks after it.
const GLANCE: Duration = Duration::from_millis(20);

/// What an id is to be. Two of the same share their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    source: Source,
    activation: Option<OutputActivation>,
}

impl Wanted {
    /// `activation` goes before what config.json says.
    pub fn new(source: Source, activation: Option<OutputActivation>) -> Self {
        let source = match source {
            // One folder has one name. One that is not there fails when it is read.
            Source::Directory(path) => Source::Directory(fs::canonicalize(&path).unwrap_or(path)),
            other => other,
        };
        Self { source, activation }
    }
}

impl ModelPool {
    /// Has `id` loaded in the background. One that serves goes on until the new
    /// one is ready, and stays if that fails; it is all there is to do where it is
    /// what is wanted, and its files are as they were.
    pub async fn load(self: &Arc<Self>, id: &str, wanted: Wanted) -> Result<Put> {
        if let Some(model) = self.status(id).ok().and_then(|status| status.model) {
            self.look_at(model).await?;
        }
        self.begin(id, wanted).map(|(put, _)| put)
    }

    /// Loads the configured models; gives the errors of those that failed, where
    /// none could be loaded.
    pub async fn load_first(
        self: &Arc<Self>,
        wanted: Vec<(String, Wanted)>,
    ) -> Result<(), Vec<Error>> {
        let begun: Vec<_> =
            wanted.into_iter().map(|(id, wanted)| self.begin(&id, wanted)).collect();
        let mut errors = Vec::new();
        for result in begun {
            match result {
                Ok((_, over)) => over.cancelled().await,
                Err(error) => errors.push(error),
            }
        }
        self.started();
        if !self.models().is_empty() {
            return Ok(());
        }
        errors.extend(self.list().into_iter().filter_map(|status| match status.progress {
            Some(Progress::Failed(failure)) => Some(failure.error),
            _ => None,
        }));
        Err(errors)
    }

    /// Starts a load, whose end the token tells.
    fn begin(self: &Arc<Self>, id: &str, wanted: Wanted) -> Result<(Put, CancellationToken)> {
        let over = CancellationToken::new();
        let (put, entered) = self.enter(id, wanted, over.clone().drop_guard())?;
        if let Some(load) = entered {
            let pool = Arc::clone(self);
            let over = over.clone();
            tokio::spawn(async move {
                // An entry that is taken out cancels its load.
                tokio::select! { () = pool.run(&load) => {}, () = over.cancelled() => {} }
            });
        }
        Ok((put, over))
    }

    async fn run(self: &Arc<Self>, load: &Entered) {
        while self.waits_for_another(load) {
            sleep(GLANCE).await;
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let result = timeout(self.load_time, self.on_a_thread(load)).await;
        drop(permit);
        let result = result.unwrap_or_else(|_| Err(too_slow(self.load_time).into()));
        match &result {
            Ok(model) => info!(
                id = load.id,
                source = %load.wanted.source,
                architecture = model.architecture,
                bytes = model.memory_bytes(),
                "loaded"
            ),
            Err(failure) => error!(
                id = load.id,
                source = %load.wanted.source,
                cause = failure.error.detail,
                "a model could not be loaded"
            ),
        }
        self.settle(load, result);
    }

    /// Not one of the runtime's threads: what blocks there must not hold up the
    /// service's end. Whoever waits no more cancels the load; until the thread sees
    /// that, it is in nobody's way.
    async fn on_a_thread(self: &Arc<Self>, load: &Entered) -> Result<Model, LoadFailure> {
        let (reply, loaded) = oneshot::channel();
        let pool = Arc::clone(self);
        let (id, wanted) = (load.id.clone(), load.wanted.clone());
        let cancellation = Cancellation::default();
        let _cancel = cancellation.on_drop();
        let work = move || {
            // Nobody listens where the load was cancelled.
            let _ = reply.send(pool.read(&id, &wanted, &cancellation));
        };
        let thread = thread::Builder::new().name("explaind-loader".to_owned());
        thread.spawn(work).map_err(Error::internal)?;
        let panicked = "the loader gave up; the log says where";
        loaded.await.unwrap_or_else(|_| Err(Error::new(Code::ModelInvalid, panicked).into()))
    }

    /// Threads that put weights in place: half of the cores where the others may
    /// have something to answer.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if self.is_started() { cores.div_ceil(2) } else { cores }
    }

    /// Reads a checkpoint and puts its weights in place, unless they are there.
    fn read(
        &self,
        id: &str,
        wanted: &Wanted,
        cancellation: &Cancellation,
    ) -> Result<Model, LoadFailure> {
        let described =
            Described::read(&wanted.source, wanted.activation, &self.allowed, cancellation)?;
        let alike = self.alike(wanted);
        if !alike.is_empty() {
            let revision = described.revision()?;
            if let Some(same) = alike.iter().find(|model| model.revision == revision) {
                return Ok(same.under_id(id));
            }
        }
        // What is in the way may be freed by then.
        drop(alike);
        let placement = &self.placement;
        let bytes = described.memory_bytes(placement);
        let room = self.budget.take(bytes).map_err(|full| too_large(id, bytes, &full))?;
        let threads = rayon::ThreadPoolBuilder::new().num_threads(self.threads());
        let threads = threads.build().map_err(Error::internal)?;
        let place = || described.place(id, placement, room);
        let model = threads.install(place)?;
        warm_up(&model)?;
        Ok(model)
    }
}

fn too_slow(time: Duration) -> Error {
    let detail = format!(
        "not loaded within {} s; load it again, and a download goes on where it ended, or raise \
         limits.load_ms",
        time.as_secs()
    );
    Error::new(Code::DeadlineExceeded, detail)
}

fn too_large(id: &str, bytes: usize, full: &Full) -> Error {
    let mebibytes = |bytes: usize| bytes.div_ceil(1 << 20);
    let detail = format!(
        "the weights of {id} take {} MiB; {} of {} MiB are in use. DELETE a model, or raise \
         limits.model_mebibytes",
        mebibytes(bytes),
        mebibytes(full.used),
        mebibytes(full.limit)
    );
    Error::new(Code::ModelTooLarge, detail)
}

/// One real pass: the first is slower, and shows that the model works.
fn warm_up(model: &Model) -> Result<()> {
    let fails = |reason: String| Error::new(Code::ModelInvalid, format!("{}: {reason}", model.id));
    let rows = [probe::row(model)?];
    // The first one also touches the weights for the first time.
    let outputs = model.run(&rows).and_then(|_| {
        let start = Instant::now();
        let outputs = model.run(&rows);
        model.note_pass(&rows, start.elapsed().as_secs_f64());
        outputs
    });
    let outputs = outputs.map_err(|error| fails(error.to_string()))?;
    match outputs.iter().all(|output| output.is_finite()) {
        true => Ok(()),
        false => Err(fails("a short text gives numbers that are not finite".to_owned())),
    }
}
