//! The handle that methods run rows through. It hides the queue, the batches shared with other
//! requests and the worker threads.
//!
//! The reasons for the design: docs/concepts/scheduling.md.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

mod job;
mod joint;
mod memo;
mod queue;
mod remote;
mod requester;
mod time;
mod usage;

pub use job::{Finished, Job};
pub use joint::{Competition, Joint, Outcome};
pub use memo::Memo;
use queue::Queue;
use remote::RemoteRows;
pub use requester::{ANYONE, Requester};
pub use time::TimeLimit;
use usage::Accounts;
pub use usage::Usage;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::remote::Forwarded;
use crate::rows::{Row, RowOutput};
use crate::text::Encoding;

/// Progress of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    /// Scores so far, `[scalars][tokens]`.
    pub scores: Vec<Vec<f64>>,
}

/// Called with the progress of methods.
type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Runs rows of one model for one request.
#[derive(Clone)]
pub struct Passes {
    queue: Queue,
    accounts: Accounts,
    time: Option<TimeLimit>,
    listener: Option<Listener>,
    /// How rows expand to several pairs; `None` if they are run as they are.
    joint: Option<Arc<Joint>>,
    /// A row that has run already, and its output.
    known: Option<Arc<(Row, RowOutput)>>,
}

impl Passes {
    pub fn new(model: Arc<Model>, requester: Arc<Requester>, jobs: mpsc::Sender<Job>) -> Self {
        let queue = Queue::new(model, requester, jobs);
        Self {
            queue,
            accounts: Accounts::default(),
            time: None,
            listener: None,
            joint: None,
            known: None,
        }
    }

    /// Returns a handle with the time limit `limit`.
    pub fn within(self, limit: TimeLimit) -> Self {
        Self { time: Some(limit), ..self }
    }

    /// Returns a handle with only this share of the remaining time.
    pub fn for_a_share(&self, share: f64) -> Self {
        Self { time: self.time.map(|time| time.cut_to(share)), ..self.clone() }
    }

    /// Returns a handle for optional work, which fails with `deadline_exceeded` while there is
    /// still time to respond.
    pub fn expendable(&self) -> Self {
        Self { time: self.time.map(TimeLimit::expendable), ..self.clone() }
    }

    /// Returns a handle that reports progress to `listener`.
    pub fn with_listener(self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..self }
    }

    /// Returns a handle for rows of one text in several pairs.
    pub fn jointly(&self, joint: Arc<Joint>) -> Self {
        Self { joint: Some(joint), known: None, ..self.clone() }
    }

    /// Returns a handle that does not run `row` again, because its output is known.
    pub fn knowing(&self, row: Row, output: RowOutput) -> Self {
        Self { known: Some(Arc::new((row, output))), ..self.clone() }
    }

    /// The same for rows of another model, on the same account and within the same time.
    pub fn of_model(&self, model: Arc<Model>) -> Self {
        let queue = self.queue.clone().of_model(model);
        Self { queue, joint: None, known: None, ..self.clone() }
    }

    /// Returns a handle for rows of this input, which a remote model needs: its rows are texts.
    pub fn reading(&self, encoding: &Encoding, forwarded: &Forwarded) -> Self {
        let Some(remote) = self.model().elsewhere() else { return self.clone() };
        let rows = RemoteRows::new(remote, encoding, forwarded, self.time);
        Self { queue: self.queue.clone().into_remote(rows), ..self.clone() }
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.queue.model
    }

    /// Calls `poll`, which polls futures of several inputs or methods. The jobs that they send run in
    /// the same passes as far as possible, which reads the weights less often.
    pub fn together<T>(&self, poll: impl FnOnce() -> T) -> T {
        self.queue.together(poll)
    }

    /// Runs `rows` and waits for all of them. Returns one output per row, in order. Fails with
    /// `deadline_exceeded` if they are not done in time. Dropping the future removes the rows that
    /// have not run from the queue.
    pub async fn run(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        let outputs = self.expand(rows);
        match &self.time {
            Some(time) => time.before_deadline(outputs).await?,
            None => outputs.await,
        }
    }

    /// Like [`Self::run`], for optional rows: returns `None` if they are not done by the time at
    /// which a method should return what it has.
    pub async fn run_in_time(&self, rows: Vec<Row>) -> Result<Option<Vec<RowOutput>>> {
        self.in_time(self.expand(rows)).await.transpose()
    }

    async fn expand(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        match &self.joint {
            Some(joint) => joint.run(rows, self.model(), |rows| self.send(rows)).await,
            None => self.send_unknown(rows).await,
        }
    }

    /// Runs all rows but the known one, which counts for the method that asks for it.
    async fn send_unknown(&self, mut rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        let known = self.known.as_deref();
        let found = known
            .and_then(|(known, output)| Some((rows.iter().position(|row| row == known)?, output)));
        let Some((index, output)) = found else { return self.send(rows).await };
        let known = rows.remove(index);
        let gradient_rows = usize::from(!known.differentiated().is_empty());
        self.accounts.charge_parts(Usage { gradient_rows, ..Usage::default() });
        let mut outputs = self.send(rows).await?;
        outputs.insert(index, output.clone());
        Ok(outputs)
    }

    async fn send(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let gradient_rows = rows.iter().filter(|row| !row.differentiated().is_empty()).count();
        let forward_rows = rows.len() - gradient_rows;
        let Finished { outputs, waited, computed } = self.queue.run(rows).await?;
        let (queue, compute) = (waited, computed);
        self.accounts.charge(Usage { forward_rows, gradient_rows, queue, compute });
        Ok(outputs)
    }

    /// Runs one row.
    pub async fn run_one(&self, row: Row) -> Result<RowOutput> {
        let mut outputs = self.run(vec![row]).await?;
        outputs.pop().ok_or_else(|| Error::internal("a row returned no output"))
    }

    /// Runs a long computation on a thread that may block.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let work = move || {
            let start = Instant::now();
            (work(), start.elapsed())
        };
        let (done, compute) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        self.accounts.charge(Usage { compute, ..Usage::default() });
        Ok(done)
    }

    /// Runs `work` that the answer can do without. Returns `None` if it is not done by the time at
    /// which methods should answer from what they have.
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match &self.time {
            Some(time) => time.before_stop(work).await,
            None => Some(work.await),
        }
    }

    /// Returns whether so many more rows should be done in time, at the pace so far.
    pub fn have_time_for(&self, rows: usize) -> bool {
        let rows = rows.saturating_mul(self.joint.as_ref().map_or(1, |joint| joint.copies()));
        self.time.is_none_or(|time| time.allows(self.queue.expected(rows)))
    }

    /// Returns, for each token of the sequences that a row of `tokens` expands to, the token of the
    /// row that stands for it.
    pub fn shown_at(&self, tokens: usize) -> Arc<[usize]> {
        match &self.joint {
            Some(joint) => joint.shown_at().into(),
            None => (0..tokens).collect(),
        }
    }

    /// Halves `rows` until they should be done in time, but not below `least`.
    pub fn affordable(&self, rows: usize, least: usize) -> usize {
        let mut rows = rows;
        while rows > least && !self.have_time_for(rows) {
            rows = (rows / 2).max(least);
        }
        rows
    }

    /// Returns the time since outputs arrived last; `None` before the first.
    pub fn since_last_output(&self) -> Option<Duration> {
        self.queue.since_last_output()
    }

    /// Returns the error of work that was abandoned for lack of time.
    pub fn late(&self) -> Error {
        self.time.map_or_else(stopped, |time| time.late())
    }

    /// Returns whether progress is reported to a listener.
    pub fn has_listener(&self) -> bool {
        self.listener.is_some()
    }

    /// Reports a method's progress to the listener, if there is one.
    pub fn report(&self, done: usize, of: usize, scores: impl FnOnce() -> Vec<Vec<f64>>) {
        if let Some(listener) = &self.listener {
            listener(Progress { done, of, scores: scores() });
        }
    }

    /// Returns a handle with a usage counter of its own, which [`Self::usage`] returns.
    pub fn with_account(mut self) -> Self {
        self.accounts.open();
        self
    }

    /// Returns what this handle and its clones have used.
    pub fn usage(&self) -> Usage {
        self.accounts.usage()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopped() -> Error {
    Error::internal("the engine has stopped")
}
