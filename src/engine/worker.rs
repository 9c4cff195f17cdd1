//! The threads that run passes. They survive panics, in passes and elsewhere.
//!
//! There are two lanes, each with one thread per concurrent pass. The main lane runs all requests.
//! The express lane runs small requests while a large one occupies the main lane. The operating
//! system divides the cores between them, so a small request never waits for a large pass to end,
//! and a large one always has half of the cores.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use metrics::{counter, histogram};
use rayon::ThreadPool;
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::Admission;
use super::batcher::{Batch, Batcher, Failure, Lane, PassLimits, PassResult};
use super::device_memory::DeviceMemory;
use super::health::Health;
use crate::backend::cpu;
use crate::error::{Code, Error};
use crate::model::PassError;
use crate::passes::{Job, Requester};

/// State shared by all workers.
struct Workers {
    waiting: Mutex<Waiting>,
    /// Signalled when there may be new work.
    more: Condvar,
    admission: Arc<Admission>,
    health: Arc<Health>,
    limits: PassLimits,
    /// Number of passes that are running.
    running: AtomicUsize,
    device_memory: DeviceMemory,
}

struct Waiting {
    batcher: Batcher,
    /// No more jobs will arrive.
    closed: bool,
}

/// One of the threads of a lane.
struct Worker {
    lane: Lane,
    /// Threads on the cores of this lane. Idle ones help with matrix products.
    cores: Arc<ThreadPool>,
    all: Arc<Workers>,
}

/// How long an idle thread keeps the buffers of its last passes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Threads that run small passes or parts of passes may keep this fraction (1 / n) of a pass's
/// memory.
const SMALL_BUFFER_DIVISOR: usize = 8;

/// How long jobs wait for others of their request at most. A poll that sends them takes less.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);
const GATHERING_STEP: Duration = Duration::from_micros(20);

/// Passes with fewer multiply-adds run on a single thread.
const MIN_PARALLEL_WORK: u64 = 30_000_000;

/// Starts the workers. They end when all senders are dropped and no jobs remain.
pub fn spawn(
    queue: mpsc::Receiver<Job>,
    limits: PassLimits,
    admission: Arc<Admission>,
    health: Arc<Health>,
) -> std::io::Result<()> {
    let all = Arc::new(Workers {
        waiting: Mutex::new(Waiting { batcher: Batcher::new(limits), closed: false }),
        more: Condvar::new(),
        admission,
        health,
        limits,
        running: AtomicUsize::new(0),
        device_memory: DeviceMemory::default(),
    });
    let cores = cores_for(limits.workers);
    let lanes =
        [(Lane::Main, "worker", limits.workers), (Lane::Express, "express", limits.express)];
    for (lane, name, count) in lanes.into_iter().filter(|(_, _, count)| *count > 0) {
        let pool = Arc::new(threads(limits, name, cores.clone())?);
        for i in 0..count {
            let worker = Worker { lane, cores: Arc::clone(&pool), all: Arc::clone(&all) };
            let core = cores.get(i).copied();
            let kept = match lane {
                Lane::Main => limits.bytes,
                Lane::Express => limits.bytes / SMALL_BUFFER_DIVISOR,
            };
            let work = move || {
                configure_thread(core.as_ref(), kept);
                while worker.turn() {}
            };
            thread::Builder::new().name(format!("explaind-{name}-{i}")).spawn(work)?;
        }
    }
    let collect = move || all.collect(queue);
    thread::Builder::new().name("explaind-queue".to_owned()).spawn(collect)?;
    Ok(())
}

/// Creates the threads that compute the matrix products of a lane's passes.
fn threads(limits: PassLimits, lane: &str, cores: Vec<CoreId>) -> std::io::Result<ThreadPool> {
    let lane = lane.to_owned();
    rayon::ThreadPoolBuilder::new()
        .num_threads(limits.workers)
        .thread_name(move |i| format!("explaind-{lane}-core-{i}"))
        .start_handler(move |i| configure_thread(cores.get(i), limits.bytes / SMALL_BUFFER_DIVISOR))
        .build()
        .map_err(std::io::Error::other)
}

/// One core per thread if the threads use all cores of this process, else none. Without pinning,
/// threads that wake together are often put on the same core until the scheduler's next tick,
/// which takes longer than a pass of a small model.
fn cores_for(count: usize) -> Vec<CoreId> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() == count { cores } else { Vec::new() }
}

/// Pins this thread to `core` and limits the buffers that it keeps to `kept` bytes.
fn configure_thread(core: Option<&CoreId>, kept: usize) {
    // If pinning fails, the scheduler decides.
    core.map(|core| core_affinity::set_for_current(*core));
    cpu::keep_at_most(kept);
}

impl Workers {
    /// Passes jobs to the batcher until the channel closes.
    fn collect(&self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            let requester = Arc::clone(&job.requester);
            lock(&self.waiting).batcher.push(job);
            gather(&self.waiting, &mut queue, &requester, Instant::now() + LONGEST_GATHERING);
            self.more.notify_all();
        }
        lock(&self.waiting).closed = true;
        self.more.notify_all();
    }

    /// Waits for the next pass of a lane; `None` once the channel is closed and no jobs remain.
    fn next(&self, lane: Lane) -> Option<Batch> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(batch) = waiting.batcher.next(Instant::now(), lane) {
                return Some(batch);
            }
            if waiting.closed && waiting.batcher.is_empty() {
                return None;
            }
            waiting = self.wait(waiting);
        }
    }

    /// Waits for new work. After being idle for a while, frees this thread's buffers.
    fn wait<'a>(&'a self, waiting: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        let wait_result = self.more.wait_timeout(waiting, IDLE_TIMEOUT);
        let (waiting, timeout) = wait_result.unwrap_or_else(PoisonError::into_inner);
        if !timeout.timed_out() {
            return waiting;
        }
        drop(waiting);
        cpu::keep_nothing();
        lock(&self.waiting)
    }

    fn finish(&self, batch: Batch, result: PassResult, took: Duration) {
        lock(&self.waiting).batcher.finish(batch, result, took);
        // There may be rows to retry, or a lane may be waiting for the last job to end.
        self.more.notify_all();
    }
}

/// Passes on the jobs that a request sends together, so that they are batched together, and all
/// others that are queued.
fn gather(
    waiting: &Mutex<Waiting>,
    queue: &mut mpsc::Receiver<Job>,
    requester: &Requester,
    until: Instant,
) {
    loop {
        // Before the jobs, so that none is missed.
        let more = requester.is_sending();
        while let Ok(job) = queue.try_recv() {
            lock(waiting).batcher.push(job);
        }
        if !more || Instant::now() >= until {
            return;
        }
        thread::sleep(GATHERING_STEP);
    }
}

impl Worker {
    /// Waits for a pass and runs it; `false` when there is no more work. A panic here is a bug of
    /// this crate and costs only this turn.
    fn turn(&self) -> bool {
        let turn = || {
            let Some(batch) = self.all.next(self.lane) else { return false };
            self.run(batch);
            true
        };
        catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|panic| {
            counter!("explaind_worker_restarts_total").increment(1);
            error!(panic = message(&*panic), "a worker restarts after a panic");
            true
        })
    }

    /// Runs a pass and distributes its outputs.
    fn run(&self, batch: Batch) {
        let running = Running::new(&self.all.running);
        let start = Instant::now();
        let result = self.outputs(&batch);
        let took = start.elapsed();
        // Other passes run at the same time, so count the work of all cores.
        let concurrent = running.concurrent();
        match &result {
            Ok(_) => self.all.health.note_pass(true),
            Err(Failure::Row(_)) => self.all.health.note_pass(false),
            // Smaller passes will work.
            Err(Failure::Memory(_)) => {}
            Err(Failure::Device(_)) => self.all.health.note_lost(),
        }
        // Estimates are for full precision, so that no row takes longer than estimated.
        if batch.model.is_full(&batch.rows) {
            let work = batch.load() * batch.model.layers();
            self.all.admission.note_pass(work * concurrent, took.as_secs_f64());
            batch.model.note_pass(&batch.rows, took.as_secs_f64() / concurrent as f64);
        }
        histogram!("explaind_pass_seconds").record(took.as_secs_f64());
        histogram!("explaind_pass_rows").record(batch.rows.len() as f64);
        histogram!("explaind_pass_tokens").record(batch.tokens() as f64);
        let fill = batch.tokens() as f64 / self.all.limits.tokens as f64;
        histogram!("explaind_pass_fill").record(fill);
        drop(running);
        let model = Arc::clone(&batch.model);
        self.all.finish(batch, result, took);
        self.all.device_memory.note(&model);
    }

    /// Runs a pass. Errors are logged here; the batcher finds the row that caused them.
    fn outputs(&self, batch: &Batch) -> PassResult {
        let work: u64 = batch.rows.iter().map(|row| batch.model.row_work(row)).sum();
        let result = catch_unwind(AssertUnwindSafe(|| match work < MIN_PARALLEL_WORK {
            true => batch.model.run(&batch.rows),
            false => {
                let threads = self.all.limits.workers;
                self.cores.install(|| batch.model.run_with(&batch.rows, threads))
            }
        }));
        let (fault, failure): (String, fn(Error) -> Failure) = match result {
            Ok(Ok(outputs)) => return Ok(outputs),
            Ok(Err(error)) => (error.to_string(), failure(&error)),
            Err(panic) => (format!("panic: {}", message(&*panic)), Failure::Row),
        };
        let (model, rows, tokens) = (&batch.model.id, batch.rows.len(), batch.tokens());
        let error = match failure(Error::internal(fault.as_str())) {
            Failure::Memory(error) if rows > 1 => {
                counter!("explaind_passes_halved_total").increment(1);
                warn!(model, rows, tokens, fault, "no memory for a pass; it runs in halves");
                return Err(Failure::Memory(error));
            }
            Failure::Device(_) => {
                let detail = "the device that computes does not work any more";
                Failure::Device(Error::new(Code::NotReady, detail))
            }
            other => other,
        };
        counter!("explaind_pass_failures_total").increment(1);
        error!(model, rows, fault, "a pass failed");
        Err(error)
    }
}

/// Returns how a pass is to be repeated.
fn failure(error: &PassError) -> fn(Error) -> Failure {
    match error {
        PassError::OutOfMemory(_) => Failure::Memory,
        PassError::DeviceLost(_) => Failure::Device,
        PassError::Other(_) => Failure::Row,
    }
}

/// Counts a running pass until dropped.
struct Running<'a> {
    count: &'a AtomicUsize,
    /// Passes that were running when it began, including itself.
    at_start: usize,
}

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, at_start: 1 + count.fetch_add(1, Ordering::Relaxed) }
    }

    /// Average number of concurrent passes while it ran, including itself (approximate).
    fn concurrent(&self) -> usize {
        (self.at_start + self.count.load(Ordering::Relaxed)).div_ceil(2)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tracing::Span;

    use super::*;
    use crate::model::{Model, Placement};
    use crate::rows::{Row, Tokens};

    #[test]
    fn jobs_of_one_poll_run_in_one_pass() {
        let source = "builtin:sentiment-en".parse().unwrap();
        let model = Arc::new(Model::load("own", &source, &Placement::default()).unwrap());
        let requester = Arc::new(Requester::default());
        let ids = Tokens {
            input_ids: vec![7; 3],
            token_type_ids: vec![0; 3],
            position_ids: vec![0, 1, 2],
        };
        let ids = Arc::new(ids);
        let callers = Mutex::new(Vec::new());
        let job = || {
            let (reply, caller) = oneshot::channel();
            lock(&callers).push(caller);
            Job {
                model: Arc::clone(&model),
                rows: vec![Row::forward(Arc::clone(&ids), [0].into())],
                requester: Arc::clone(&requester),
                reply,
                queued: Instant::now(),
                span: Span::none(),
            }
        };
        let limits = PassLimits { tokens: 64, bytes: 1 << 30, workers: 1, express: 1 };
        let waiting = Mutex::new(Waiting { batcher: Batcher::new(limits), closed: false });
        // Each job waits until the one before has been taken from the queue.
        let (sender, mut queue) = mpsc::channel(1);
        let begun = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                requester.together(|| {
                    sender.blocking_send(job()).unwrap();
                    begun.wait();
                    for _ in 0..4 {
                        sender.blocking_send(job()).expect("the queue is still read");
                    }
                });
            });
            begun.wait();
            let far = Instant::now() + Duration::from_secs(600);
            gather(&waiting, &mut queue, &requester, far);
            drop(queue);
        });
        let batch = lock(&waiting).batcher.next(Instant::now(), Lane::Main);
        assert_eq!(batch.unwrap().rows.len(), 5);
    }
}
