//! Threads that process requests, separate from those that serve connections, so that connections
//! stay responsive. Reading bodies, building rows, and assembling and rendering results can each
//! take a while.

use std::future::Future;
use std::num::NonZero;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::problem::Failure;
use crate::error::Error;

/// A handle to the threads.
#[derive(Debug, Clone)]
pub struct Work(Handle);

/// The threads. Dropping this abandons unfinished work.
#[derive(Debug)]
pub struct WorkRuntime(Option<Runtime>);

impl WorkRuntime {
    pub fn new() -> std::io::Result<Self> {
        // More threads than cores, because threads with long work may be preempted.
        let threads = 2 * std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut builder = Builder::new_multi_thread();
        // Blocking tasks are CPU-bound: they read texts and render responses. More threads would
        // only compete for the same cores, also with those of connections.
        builder.worker_threads(threads).max_blocking_threads(threads);
        builder.thread_name("explaind-work").enable_time();
        Ok(Self(Some(builder.build()?)))
    }

    /// A handle to the threads.
    pub fn handle(&self) -> Work {
        self.0.as_ref().map_or_else(Work::here, |runtime| Work(runtime.handle().clone()))
    }
}

impl Drop for WorkRuntime {
    fn drop(&mut self) {
        // Dropping a runtime blocks, which is not allowed in asynchronous code.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Work {
    /// The threads of the current runtime.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Runs `work` on the threads. Dropping the future aborts it at its next await point.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.spawn(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => Err(Error::internal(ended).into()),
            },
        }
    }

    /// Spawns `work` on the threads, in the caller's span. Dropping the handle aborts it.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.0.spawn(work.instrument(Span::current())))
    }
}
