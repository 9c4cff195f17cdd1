//! One end of the queue: rows go in as a job, and their outputs come back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{Span, debug_span};

use super::job::{Finished, Job};
use super::remote::RemoteRows;
use super::requester::Requester;
use super::{lock, stopped};
use crate::error::Result;
use crate::model::Model;
use crate::pace::Pace;
use crate::rows::Row;

/// Where rows are run.
#[derive(Clone)]
enum Destination {
    Engine(mpsc::Sender<Job>),
    Remote(Arc<RemoteRows>),
}

/// Queues the rows of one request for one model, and measures their pace.
#[derive(Clone)]
pub struct Queue {
    pub model: Arc<Model>,
    requester: Arc<Requester>,
    to: Destination,
    /// Measured time per row, from queueing to its output.
    pace: Arc<Pace>,
    /// When outputs arrived last.
    last_output: Arc<Mutex<Option<tokio::time::Instant>>>,
}

impl Queue {
    pub fn new(model: Arc<Model>, requester: Arc<Requester>, jobs: mpsc::Sender<Job>) -> Self {
        let pace = Arc::new(Pace::new(0.5));
        let to = Destination::Engine(jobs);
        Self { model, requester, to, pace, last_output: Arc::default() }
    }

    /// Returns a queue for another model, whose rows have a pace of their own.
    pub fn of_model(self, model: Arc<Model>) -> Self {
        Self { model, pace: Arc::new(Pace::new(0.5)), ..self }
    }

    /// Returns a queue for rows of one input of a remote model.
    pub fn into_remote(self, rows: RemoteRows) -> Self {
        Self { to: Destination::Remote(Arc::new(rows)), ..self }
    }

    /// Queues `rows` and waits for all of them.
    pub async fn run(&self, rows: Vec<Row>) -> Result<Finished> {
        let count = rows.len();
        let start = tokio::time::Instant::now();
        let finished = match &self.to {
            Destination::Engine(jobs) => self.in_engine(jobs, rows).await?,
            Destination::Remote(remote) => remote.run(&self.model, rows).await?,
        };
        *lock(&self.last_output) = Some(tokio::time::Instant::now());
        self.pace.note(count, start.elapsed().as_secs_f64());
        Ok(finished)
    }

    async fn in_engine(&self, jobs: &mpsc::Sender<Job>, rows: Vec<Row>) -> Result<Finished> {
        let count = rows.len();
        let gradients = rows.iter().filter(|row| !row.differentiated().is_empty()).count();
        let (reply, finished) = oneshot::channel();
        let span = debug_span!("rows", count, gradients);
        let span = if span.is_disabled() { Span::current() } else { span };
        let (model, queued) = (Arc::clone(&self.model), Instant::now());
        let requester = Arc::clone(&self.requester);
        let job = Job { model, rows, requester, reply, queued, span };
        jobs.send(job).await.map_err(|_| stopped())?;
        finished.await.map_err(|_| stopped())?
    }

    /// See [`Requester::together`].
    pub fn together<T>(&self, poll: impl FnOnce() -> T) -> T {
        self.requester.together(poll)
    }

    /// Returns the expected time of so many rows, at the pace so far.
    pub fn expected(&self, rows: usize) -> Duration {
        Duration::from_secs_f64(self.pace.seconds_for(rows).unwrap_or_default())
    }

    /// Returns the time since outputs arrived last; `None` before the first.
    pub fn since_last_output(&self) -> Option<Duration> {
        lock(&self.last_output).map(|at| at.elapsed())
    }
}
