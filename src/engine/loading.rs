//! Loads models in the background on separate threads, a few at a time, while others are served.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::loader::Loader;
use super::pool::ModelPool;
use super::registry::PendingLoad;
use super::spec::ModelSpec;
use super::status::{LoadFailure, Progress, Put};
use super::warm_up;
use crate::checkpoint::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::{Dtype, Full, Model, ModelDescription};

/// How often a load checks whether another load of the same spec has finished.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl ModelPool {
    /// Starts to load `id` in the background. The model that serves under this id is replaced
    /// when the new one is ready, and kept if loading fails. Nothing is loaded if it already has
    /// this spec and its files are unchanged.
    pub async fn load(self: &Arc<Self>, id: &str, spec: ModelSpec) -> Result<Put> {
        if let Some(model) = self.status(id).ok().and_then(|status| status.model) {
            self.check_drift(model).await?;
        }
        self.begin(id, spec).map(|(put, _)| put)
    }

    /// Loads the configured models and waits for them. If no model could be loaded, returns the
    /// error of each.
    pub async fn load_first(
        self: &Arc<Self>,
        spec: Vec<(String, ModelSpec)>,
    ) -> Result<(), Vec<Error>> {
        let loads: Vec<_> = spec.into_iter().map(|(id, spec)| self.begin(&id, spec)).collect();
        let mut errors = Vec::new();
        for result in loads {
            match result {
                Ok((_, finished)) => finished.cancelled().await,
                Err(error) => errors.push(error),
            }
        }
        // Ids that are missing from now on are unknown.
        self.registry().started = true;
        if !self.models().is_empty() {
            return Ok(());
        }
        errors.extend(self.list().into_iter().filter_map(|status| match status.progress {
            Some(Progress::Failed(failure)) => Some(failure.error),
            _ => None,
        }));
        Err(errors)
    }

    /// Starts a load. The token is cancelled when it ends.
    fn begin(self: &Arc<Self>, id: &str, spec: ModelSpec) -> Result<(Put, CancellationToken)> {
        let finished = CancellationToken::new();
        let (put, pending) = self.registry().enter(id, spec, finished.clone().drop_guard())?;
        if let Some(load) = pending {
            let pool = Arc::clone(self);
            let finished = finished.clone();
            tokio::spawn(async move {
                // Removing the entry cancels its load.
                tokio::select! { () = pool.run(&load) => {}, () = finished.cancelled() => {} }
            });
        }
        Ok((put, finished))
    }

    async fn run(self: &Arc<Self>, load: &PendingLoad) {
        while self.registry().waits_for_another(load) {
            sleep(POLL_INTERVAL).await;
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.loader.permits).acquire_owned().await else { return };
        let time = self.loader.time;
        let result = timeout(time, self.read_on_thread(load)).await;
        drop(permit);
        let result = result.unwrap_or_else(|_| Err(too_slow(time).into()));
        match &result {
            Ok(model) => info!(
                id = load.id,
                source = %load.spec.source,
                architecture = model.architecture,
                bytes = model.memory_bytes(),
                "loaded"
            ),
            Err(failure) => error!(
                id = load.id,
                source = %load.spec.source,
                cause = failure.error.detail,
                "a model could not be loaded"
            ),
        }
        let unneeded = self.registry().settle(load, result);
        // Outside of the lock, because this may free gigabytes.
        drop(unneeded);
    }

    /// Uses a thread outside the runtime, because blocking work on the runtime's threads would
    /// delay shutdown. Dropping the future cancels the load; the thread ends when it notices.
    async fn read_on_thread(self: &Arc<Self>, load: &PendingLoad) -> Result<Model, LoadFailure> {
        let (reply, loaded) = oneshot::channel();
        let pool = Arc::clone(self);
        let (id, spec) = (load.id.clone(), load.spec.clone());
        let cancellation = Cancellation::default();
        let _cancel = cancellation.on_drop();
        let work = move || {
            // The receiver is gone if the load was cancelled.
            let _ = reply.send(pool.read(&id, &spec, &cancellation));
        };
        let thread = thread::Builder::new().name("explaind-loader".to_owned());
        thread.spawn(work).map_err(Error::internal)?;
        let panicked = "the loader panicked; see the log";
        loaded.await.unwrap_or_else(|_| Err(Error::new(Code::ModelInvalid, panicked).into()))
    }

    /// Number of threads that load weights: half of the cores once requests may need the others.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if self.registry().started { cores.div_ceil(2) } else { cores }
    }

    /// Reads a checkpoint and loads its weights, or shares those of a loaded model.
    fn read(
        &self,
        id: &str,
        spec: &ModelSpec,
        cancellation: &Cancellation,
    ) -> Result<Model, LoadFailure> {
        let Loader { budget, placement, allowed, .. } = &self.loader;
        let description =
            ModelDescription::read(&spec.source, spec.activation, allowed, cancellation)?;
        let same_spec = self.registry().same_spec(spec);
        if !same_spec.is_empty() {
            let revision = description.revision()?;
            if let Some(same) = same_spec.iter().find(|model| model.revision == revision) {
                return Ok(same.under_id(id));
            }
        }
        // Models that were removed meanwhile can then be freed.
        drop(same_spec);
        let placement = placement.with(spec.dtype);
        if placement.dtype() != spec.dtype.name() && spec.dtype != Dtype::F32 {
            let (asked, dtype) = (spec.dtype.name(), placement.dtype());
            warn!(id, %placement, asked, dtype, "the model cannot compute with this dtype here");
        }
        let bytes = description.memory_bytes(&placement);
        let reservation = budget.take(bytes).map_err(|full| too_large(id, bytes, &full))?;
        let threads = rayon::ThreadPoolBuilder::new().num_threads(self.threads());
        let threads = threads.build().map_err(Error::internal)?;
        let load = || description.load(id, &placement, reservation);
        let model = threads.install(load)?;
        warm_up::run(&model, self.loader.pass_tokens)?;
        Ok(model)
    }
}

fn too_slow(time: Duration) -> Error {
    let detail = format!(
        "not loaded within {} s; load it again (a download resumes where it stopped), or raise \
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
