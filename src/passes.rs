//! The handle that methods run rows through. What lies behind it, a queue, a
//! batch shared with other callers, a worker thread, is not theirs to know.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::rows::{Row, RowOutput};

/// Rows of one model that one caller waits for.
pub struct Job {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    /// Closed once the caller has left: the rows need not run any more.
    pub reply: oneshot::Sender<Result<Finished>>,
    pub queued: Instant,
}

/// What a job gave, and what it took.
pub struct Finished {
    /// One a row, in the job's order.
    pub outputs: Vec<RowOutput>,
    /// From queued until its first row ran.
    pub waited: Duration,
    /// Its share, by tokens, of the passes that its rows were in.
    pub computed: Duration,
}

/// What a request has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub queue: Duration,
    pub compute: Duration,
}

/// Runs rows of one model for one request.
#[derive(Clone)]
pub struct Passes {
    model: Arc<Model>,
    jobs: mpsc::Sender<Job>,
    usage: Arc<Mutex<Usage>>,
}

impl Passes {
    pub fn new(model: Arc<Model>, jobs: mpsc::Sender<Job>) -> Self {
        Self { model, jobs, usage: Arc::default() }
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Runs `rows` and waits for all of them; one output a row, in order.
    /// Dropping the future takes the rows that have not run out of the queue.
    pub async fn run(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let gradient_rows = rows.iter().filter(|row| !row.differentiated().is_empty()).count();
        let forward_rows = rows.len() - gradient_rows;
        let (reply, finished) = oneshot::channel();
        let job = Job { model: Arc::clone(&self.model), rows, reply, queued: Instant::now() };
        self.jobs.send(job).await.map_err(|_| stopped())?;
        let finished = finished.await.map_err(|_| stopped())??;
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.forward_rows += forward_rows;
        usage.gradient_rows += gradient_rows;
        usage.queue += finished.waited;
        usage.compute += finished.computed;
        Ok(finished.outputs)
    }

    /// Runs one row.
    pub async fn run_one(&self, row: Row) -> Result<RowOutput> {
        let mut outputs = self.run(vec![row]).await?;
        outputs.pop().ok_or_else(|| Error::internal("a row gave no output"))
    }

    /// What all clones of this handle have used.
    pub fn usage(&self) -> Usage {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped() -> Error {
    Error::internal("the engine has stopped")
}
