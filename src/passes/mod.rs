//! The handle that methods run rows through. What lies behind it, a queue, a
//! batch shared with other callers, a worker thread, is not theirs to know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{Span, debug_span};

mod joint;
mod requester;
mod time;

pub use joint::{Competition, Joint, Outcome};
pub use requester::{ANYONE, Requester};
pub use time::TimeLimit;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::pace::Pace;
use crate::rows::{Row, RowOutput};

/// Rows of one model that one caller waits for.
pub struct Job {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    pub requester: Arc<Requester>,
    /// Closed once the caller has left: the rows need not run any more.
    pub reply: oneshot::Sender<Result<Finished>>,
    pub queued: Instant,
    /// Under which its passes are logged and traced.
    pub span: Span,
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

/// How far a method that can be followed has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    /// `[scalars][tokens]`, of what is done.
    pub scores: Vec<Vec<f64>>,
}

/// Who is told.
type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Runs rows of one model for one request.
#[derive(Clone)]
pub struct Passes {
    model: Arc<Model>,
    requester: Arc<Requester>,
    jobs: mpsc::Sender<Job>,
    /// Who all is charged: the request, and a part of it.
    charged: Vec<Arc<Mutex<Usage>>>,
    time: Option<TimeLimit>,
    listener: Option<Listener>,
    /// What rows stand for, where it is not themselves.
    joint: Option<Arc<Joint>>,
    /// Of rows, from queue to answer.
    pace: Arc<Pace>,
    /// When the newest outputs came.
    last_output: Arc<Mutex<Option<tokio::time::Instant>>>,
}

impl Passes {
    pub fn new(model: Arc<Model>, requester: Arc<Requester>, jobs: mpsc::Sender<Job>) -> Self {
        Self {
            model,
            requester,
            jobs,
            charged: vec![Arc::default()],
            time: None,
            listener: None,
            joint: None,
            pace: Arc::new(Pace::new(0.5)),
            last_output: Arc::default(),
        }
    }

    /// The same, within `limit`.
    pub fn within(self, limit: TimeLimit) -> Self {
        Self { time: Some(limit), ..self }
    }

    /// The same, with only this share of the time that is left.
    pub fn for_a_share(&self, share: f64) -> Self {
        Self { time: self.time.map(|time| time.cut_to(share)), ..self.clone() }
    }

    /// The same, for work that the answer can do without: it fails with
    /// `deadline_exceeded` while there is still time to answer.
    pub fn expendable(&self) -> Self {
        Self { time: self.time.map(TimeLimit::expendable), ..self.clone() }
    }

    /// The same, with someone who follows along.
    pub fn told_to(self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..self }
    }

    /// The same for rows of one text in several pairs.
    pub fn jointly(&self, joint: Arc<Joint>) -> Self {
        Self { joint: Some(joint), ..self.clone() }
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Runs `rows` and waits for all of them; one output a row, in order. Fails with
    /// `deadline_exceeded` where they are not done in time. Dropping the future takes
    /// the rows that have not run out of the queue.
    pub async fn run(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        let outputs = self.queued(rows);
        match &self.time {
            Some(time) => time.before_deadline(outputs).await?,
            None => outputs.await,
        }
    }

    /// The same for rows that a method can do without: none where they are not done
    /// by the time at which it should answer from what it has.
    pub async fn run_in_time(&self, rows: Vec<Row>) -> Result<Option<Vec<RowOutput>>> {
        let outputs = self.queued(rows);
        match &self.time {
            Some(time) => time.before_stop(outputs).await.transpose(),
            None => outputs.await.map(Some),
        }
    }

    async fn queued(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        match &self.joint {
            Some(joint) => joint.run(rows, &self.model, |rows| self.sent(rows)).await,
            None => self.sent(rows).await,
        }
    }

    async fn sent(&self, rows: Vec<Row>) -> Result<Vec<RowOutput>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let gradient_rows = rows.iter().filter(|row| !row.differentiated().is_empty()).count();
        let (all, forward_rows) = (rows.len(), rows.len() - gradient_rows);
        let (reply, finished) = oneshot::channel();
        let start = tokio::time::Instant::now();
        let span = debug_span!("rows", count = all, gradients = gradient_rows);
        let span = if span.is_disabled() { Span::current() } else { span };
        let (model, queued) = (Arc::clone(&self.model), Instant::now());
        let requester = Arc::clone(&self.requester);
        let job = Job { model, rows, requester, reply, queued, span };
        self.jobs.send(job).await.map_err(|_| stopped())?;
        let finished = finished.await.map_err(|_| stopped())??;
        *lock(&self.last_output) = Some(tokio::time::Instant::now());
        self.pace.note(all, start.elapsed().as_secs_f64());
        self.charge(Usage {
            forward_rows,
            gradient_rows,
            queue: finished.waited,
            compute: finished.computed,
        });
        Ok(finished.outputs)
    }

    /// Runs one row.
    pub async fn run_one(&self, row: Row) -> Result<RowOutput> {
        let mut outputs = self.run(vec![row]).await?;
        outputs.pop().ok_or_else(|| Error::internal("a row gave no output"))
    }

    /// Runs plain work that takes long on a thread that may block.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let work = move || {
            let start = Instant::now();
            (work(), start.elapsed())
        };
        let (done, compute) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        self.charge(Usage { compute, ..Usage::default() });
        Ok(done)
    }

    /// Whether so many more rows should be done in time, at the pace of those
    /// before.
    pub fn have_time_for(&self, rows: usize) -> bool {
        let rows = rows.saturating_mul(self.joint.as_ref().map_or(1, |joint| joint.copies()));
        let needed = self.pace.seconds_for(rows).unwrap_or_default();
        self.time.is_none_or(|time| time.allows(Duration::from_secs_f64(needed)))
    }

    /// `rows`, or as many halvings of it as it takes until there should be time for
    /// them, down to `least`.
    pub fn affordable(&self, rows: usize, least: usize) -> usize {
        let mut rows = rows;
        while rows > least && !self.have_time_for(rows) {
            rows = (rows / 2).max(least);
        }
        rows
    }

    /// The time since outputs came last; none before the first.
    pub fn since_last_output(&self) -> Option<Duration> {
        lock(&self.last_output).map(|at| at.elapsed())
    }

    /// The error of work that gave up because its time was over, or nobody waited.
    pub fn late(&self) -> Error {
        self.time.map_or_else(stopped, |time| time.late())
    }

    /// Whether somebody is told how far methods have come.
    pub fn is_followed(&self) -> bool {
        self.listener.is_some()
    }

    /// Tells a follower, if there is one, how far a method has come.
    pub fn report(&self, done: usize, of: usize, scores: impl FnOnce() -> Vec<Vec<f64>>) {
        if let Some(listener) = &self.listener {
            listener(Progress { done, of, scores: scores() });
        }
    }

    /// The same, with an account of its own that [`Self::usage`] tells of.
    pub fn with_account(mut self) -> Self {
        self.charged.push(Arc::default());
        self
    }

    fn charge(&self, used: Usage) {
        self.charged.iter().for_each(|account| lock(account).add(used));
    }

    /// What this handle and its clones have used.
    pub fn usage(&self) -> Usage {
        self.charged.last().map(|account| *lock(account)).unwrap_or_default()
    }
}

impl Usage {
    pub fn add(&mut self, other: Self) {
        self.forward_rows += other.forward_rows;
        self.gradient_rows += other.gradient_rows;
        self.queue += other.queue;
        self.compute += other.compute;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopped() -> Error {
    Error::internal("the engine has stopped")
}
