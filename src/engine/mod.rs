//! Runs queued rows in batched passes: admission, batching, and worker threads outside the async
//! runtime.
//!
//! The reasons for the design: docs/concepts/scheduling.md.

pub mod admission;
pub mod batcher;
pub mod corpora;
mod device_memory;
mod forecast;
mod health;
mod loader;
mod loading;
pub mod pool;
mod probe;
mod registry;
mod spec;
mod status;
mod warm_up;
mod watch;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use admission::{Admission, Admitted, Demand};
pub use batcher::PassLimits;
pub use corpora::{Corpora, CorpusSpec};
use health::Health;
pub use loader::PASS_TOKENS;
pub use pool::{LOAD_TIME, ModelPool};
pub use spec::ModelSpec;
pub use status::{LoadFailure, Progress, Put, Status};

use crate::model::Model;
use crate::pace::Pace;
use crate::passes::{Job, Passes, Requester};

/// Jobs that the channel holds before senders have to wait. Admission bounds their total cost.
const CHANNEL: usize = 256;

/// How much work the engine takes on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub pass: PassLimits,
    /// Tokens × rows × layers of all requests in flight.
    pub queued_work: usize,
    /// Time limit of a request, from admission to response.
    pub time: Duration,
}

/// Entry point of the engine: admits requests and hands out [`Passes`].
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    pub admission: Arc<Admission>,
    /// How long requests take from their last pass to their response, by number of tokens.
    pub closing: Arc<Pace>,
    health: Arc<Health>,
}

impl Engine {
    /// Starts the worker threads. They end when all handles to the engine are dropped.
    pub fn start(limits: Limits) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(CHANNEL);
        let admission = Arc::new(Admission::new(limits.queued_work, limits.time));
        let health = Arc::<Health>::default();
        worker::spawn(queue, limits.pass, Arc::clone(&admission), Arc::clone(&health))?;
        let closing = Arc::new(Pace::new(0.8));
        Ok(Self { jobs, admission, closing, health })
    }

    /// A handle for one request to `model`.
    pub fn passes(&self, model: &Arc<Model>, requester: Arc<Requester>) -> Passes {
        Passes::new(Arc::clone(model), requester, self.jobs.clone())
    }
}
