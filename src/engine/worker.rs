//! The threads that run passes. They outlive a panic in one, and any other.
//!
//! There are two lanes, each with a thread for every pass that may run at a time. The
//! main lane runs what there is. The express lane runs small requests beside a large
//! one that keeps the main lane busy: the operating system shares the cores out, so
//! that a small request never waits for the end of a pass, and a large one always has
//! half of the cores.

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
use tracing::error;

use super::Admission;
use super::batcher::{Batch, Batcher, Lane, PassLimits, PassResult};
use super::health::Health;
use crate::backend::cpu;
use crate::error::Error;
use crate::passes::Job;

/// What the workers share.
struct Workers {
    waiting: Mutex<Waiting>,
    /// That something may have come for those who wait.
    more: Condvar,
    admission: Arc<Admission>,
    health: Arc<Health>,
    limits: PassLimits,
    /// Passes that run.
    running: AtomicUsize,
}

struct Waiting {
    batcher: Batcher,
    /// Nothing comes any more.
    closed: bool,
}

/// One of the threads of a lane.
struct Worker {
    lane: Lane,
    /// The cores that its lane may use. A product is done by all that are idle.
    cores: Arc<ThreadPool>,
    all: Arc<Workers>,
}

/// How long a thread keeps the memory of its last passes for the next one.
const IDLE: Duration = Duration::from_secs(10);

/// The share of a pass's memory that is kept by those that run small passes, or parts of
/// passes.
const SMALLER: usize = 8;

/// Multiply-adds of a pass that are worth more threads than one.
const WORTH_SHARING: u64 = 30_000_000;

/// Starts the workers. They end when the last sender is dropped and no job is
/// left.
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
    });
    let cores = cores_for(limits.workers);
    for (lane, name) in [(Lane::Main, "worker"), (Lane::Express, "express")] {
        let pool = Arc::new(threads(limits, name, cores.clone())?);
        for i in 0..limits.workers {
            let worker = Worker { lane, cores: Arc::clone(&pool), all: Arc::clone(&all) };
            let core = cores.get(i).copied();
            let kept = match lane {
                Lane::Main => limits.bytes,
                Lane::Express => limits.bytes / SMALLER,
            };
            let work = move || {
                settle(core.as_ref(), kept);
                while worker.turn() {}
            };
            thread::Builder::new().name(format!("explaind-{name}-{i}")).spawn(work)?;
        }
    }
    let collect = move || all.collect(queue);
    thread::Builder::new().name("explaind-queue".to_owned()).spawn(collect)?;
    Ok(())
}

/// Threads for the products of a lane's passes.
fn threads(limits: PassLimits, lane: &str, cores: Vec<CoreId>) -> std::io::Result<ThreadPool> {
    let lane = lane.to_owned();
    rayon::ThreadPoolBuilder::new()
        .num_threads(limits.workers)
        .thread_name(move |i| format!("explaind-{lane}-core-{i}"))
        .start_handler(move |i| settle(cores.get(i), limits.bytes / SMALLER))
        .build()
        .map_err(std::io::Error::other)
}

/// A core for each thread, where they are to have all that this process may use.
/// Threads that wake together are often put on one core, and stay there until
/// the scheduler's next tick: longer than a pass of a small model.
fn cores_for(count: usize) -> Vec<CoreId> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() == count { cores } else { Vec::new() }
}

/// Keeps this thread to its core, and the memory that it keeps to so many bytes.
fn settle(core: Option<&CoreId>, kept: usize) {
    // Where it cannot be set, the scheduler decides as ever.
    core.map(|core| core_affinity::set_for_current(*core));
    cpu::keep_at_most(kept);
}

impl Workers {
    /// Hands jobs to the batcher as they come, until nothing can come any more.
    fn collect(&self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            let mut waiting = lock(&self.waiting);
            waiting.batcher.push(job);
            // What was sent together is looked at together.
            while let Ok(job) = queue.try_recv() {
                waiting.batcher.push(job);
            }
            self.more.notify_all();
        }
        lock(&self.waiting).closed = true;
        self.more.notify_all();
    }

    /// The next pass of a lane; none once nothing can come any more.
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

    /// Waits for something to have come. What this thread has kept for its next pass it
    /// gives back when there is none for a while.
    fn wait<'a>(&'a self, waiting: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        let waited = self.more.wait_timeout(waiting, IDLE);
        let (waiting, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if !timeout.timed_out() {
            return waiting;
        }
        drop(waiting);
        cpu::keep_nothing();
        lock(&self.waiting)
    }

    fn finish(&self, batch: Batch, result: PassResult, took: Duration) {
        lock(&self.waiting).batcher.finish(batch, result, took);
        // Rows may be waiting to be run again, or a lane for the end of all.
        self.more.notify_all();
    }
}

impl Worker {
    /// Waits for a pass and runs it; false once nothing can come any more. What
    /// panics here is this crate's fault and costs no more than this turn.
    fn turn(&self) -> bool {
        let turn = || {
            let Some(batch) = self.all.next(self.lane) else { return false };
            self.run(batch);
            true
        };
        catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|panic| {
            counter!("explaind_worker_restarts_total").increment(1);
            error!(panic = message(&*panic), "a worker starts again");
            true
        })
    }

    /// Runs a pass and hands out its outputs.
    fn run(&self, batch: Batch) {
        let running = Running::new(&self.all.running);
        let start = Instant::now();
        let result = self.outputs(&batch);
        let took = start.elapsed();
        // What all cores do in that time: others run beside it.
        let beside = running.beside();
        let work = batch.load() * batch.model.layers();
        self.all.admission.note_pass(work * beside, took.as_secs_f64());
        self.all.health.note_pass(result.is_ok());
        batch.model.note_pass(&batch.rows, took.as_secs_f64() / beside as f64);
        histogram!("explaind_pass_seconds").record(took.as_secs_f64());
        histogram!("explaind_pass_rows").record(batch.rows.len() as f64);
        histogram!("explaind_pass_tokens").record(batch.tokens() as f64);
        let fill = batch.tokens() as f64 / self.all.limits.tokens as f64;
        histogram!("explaind_pass_fill").record(fill);
        drop(running);
        self.all.finish(batch, result, took);
    }

    /// A fault is logged here; the batcher finds the row that it is of.
    fn outputs(&self, batch: &Batch) -> PassResult {
        let work: u64 = batch.rows.iter().map(|row| batch.model.row_work(row)).sum();
        let result = catch_unwind(AssertUnwindSafe(|| match work < WORTH_SHARING {
            true => batch.model.run(&batch.rows),
            false => {
                let threads = self.all.limits.workers;
                self.cores.install(|| batch.model.run_with(&batch.rows, threads))
            }
        }));
        let fault = match result {
            Ok(Ok(outputs)) => return Ok(outputs),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("panic: {}", message(&*panic)),
        };
        counter!("explaind_pass_failures_total").increment(1);
        error!(model = batch.model.id, rows = batch.rows.len(), fault, "a pass failed");
        Err(Error::internal(fault))
    }
}

/// One more pass that runs, while this lives.
struct Running<'a> {
    count: &'a AtomicUsize,
    /// Passes that ran when it began, it among them.
    at_first: usize,
}

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, at_first: 1 + count.fetch_add(1, Ordering::Relaxed) }
    }

    /// Passes that ran at a time while it did, it among them, about.
    fn beside(&self) -> usize {
        (self.at_first + self.count.load(Ordering::Relaxed)).div_ceil(2)
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
