//! Where requests are worked on: threads beside those that serve connections, so that
//! these answer at once whatever is asked. Reading a body, building rows, putting answers
//! together and writing them can each take a while.

use std::future::Future;
use std::num::NonZero;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::problem::Failure;
use crate::error::Error;

/// A handle to these threads.
#[derive(Debug, Clone)]
pub struct Work(Handle);

/// The threads, until this is dropped. What is still worked on then is given up.
#[derive(Debug)]
pub struct Workplace(Option<Runtime>);

impl Workplace {
    pub fn new() -> std::io::Result<Self> {
        // More threads than cores: some wait in the midst of long work for their core.
        let threads = 2 * std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut builder = Builder::new_multi_thread();
        // What blocks computes: it reads texts and writes responses. More threads would have
        // each of them, and those of connections, wait the longer for a core.
        builder.worker_threads(threads).max_blocking_threads(threads);
        builder.thread_name("explaind-work").enable_time();
        Ok(Self(Some(builder.build()?)))
    }

    /// A handle to it.
    pub fn handle(&self) -> Work {
        self.0.as_ref().map_or_else(Work::here, |runtime| Work(runtime.handle().clone()))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // A runtime that is dropped waits, which asynchronous code must not.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Work {
    /// The threads that the caller is on.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Runs `work` there. Dropping the future ends it where it next waits.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => Err(Error::internal(ended).into()),
            },
        }
    }

    /// Begins `work` there, in the caller's span. Dropping the handle ends it.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.0.spawn(work.instrument(Span::current())))
    }
}
