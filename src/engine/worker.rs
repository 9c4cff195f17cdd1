//! The threads that run passes. They outlive a panic in one, and any other.
//!
//! Each worker takes a pass from the batcher and runs it by itself. A worker
//! with nothing to do leads: it alone waits for the next job, the others for
//! their turn to lead. One that is in a heavy pass looks between two layers
//! whether light jobs have come, and runs them at once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use metrics::{counter, histogram};
use rayon::ThreadPool;
use tokio::sync::mpsc;
use tracing::error;

use super::Admission;
use super::batcher::{Batch, Batcher, PassLimits, PassResult};
use super::health::Health;
use crate::backend::cpu;
use crate::error::Error;
use crate::passes::Job;

/// What the workers share.
struct Workers {
    queue: Mutex<mpsc::Receiver<Job>>,
    batcher: Mutex<Batcher>,
    admission: Arc<Admission>,
    health: Arc<Health>,
    count: usize,
    /// That a pass has room for.
    pass_tokens: usize,
    busy: AtomicUsize,
    /// Threads that idle workers lend to a lone row.
    pool: ThreadPool,
}

/// Multiply-adds of a forward pass that are worth all threads.
const WORTH_SHARING: u64 = 30_000_000;

/// Starts the workers. They end when the last sender is dropped and no job is
/// left.
pub fn spawn(
    queue: mpsc::Receiver<Job>,
    limits: PassLimits,
    admission: Arc<Admission>,
    health: Arc<Health>,
) -> std::io::Result<()> {
    let cores = Arc::new(cores_for(limits.workers));
    let of_pool = Arc::clone(&cores);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(limits.workers)
        .thread_name(|i| format!("explaind-row-{i}"))
        .start_handler(move |i| settle(of_pool.get(i), limits.bytes))
        .build()
        .map_err(std::io::Error::other)?;
    let workers = Arc::new(Workers {
        queue: Mutex::new(queue),
        batcher: Mutex::new(Batcher::new(limits)),
        admission,
        health,
        count: limits.workers,
        pass_tokens: limits.tokens,
        busy: AtomicUsize::new(0),
        pool,
    });
    for i in 0..limits.workers {
        let workers = Arc::clone(&workers);
        let core = cores.get(i).copied();
        let work = move || {
            settle(core.as_ref(), limits.bytes);
            while workers.turn() {}
        };
        thread::Builder::new().name(format!("explaind-worker-{i}")).spawn(work)?;
    }
    Ok(())
}

/// A core for each worker, where they are to have all that this process may use.
/// Threads that wake together are often put on one core, and stay there until
/// the scheduler's next tick: longer than a pass of a small model.
fn cores_for(workers: usize) -> Vec<CoreId> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() == workers { cores } else { Vec::new() }
}

/// Keeps this thread to its core, and the memory that it keeps to what a pass may take.
fn settle(core: Option<&CoreId>, pass_bytes: usize) {
    // Where it cannot be set, the scheduler decides as ever.
    core.map(|core| core_affinity::set_for_current(*core));
    cpu::keep_at_most(pass_bytes);
}

impl Workers {
    /// Waits for a pass and runs it; false once nothing can come any more. What
    /// panics here is this crate's fault and costs no more than this turn.
    fn turn(&self) -> bool {
        let turn = || {
            let Some(batch) = self.wait() else { return false };
            let _busy = Busy::new(&self.busy);
            self.run(batch);
            true
        };
        catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|panic| {
            counter!("explaind_worker_restarts_total").increment(1);
            error!(panic = message(&*panic), "a worker starts again");
            true
        })
    }

    /// The next pass; none once nothing can come any more.
    fn wait(&self) -> Option<Batch> {
        self.collect();
        loop {
            if let Some(batch) = self.batcher().next(Instant::now()) {
                return Some(batch);
            }
            let mut queue = lock(&self.queue);
            // Whoever led before may have left something.
            if let Some(batch) = self.batcher().next(Instant::now()) {
                return Some(batch);
            }
            let job = queue.blocking_recv()?;
            self.batcher().push(job);
        }
    }

    /// Takes in the jobs that have come, unless another worker waits for them.
    fn collect(&self) {
        if let Ok(mut queue) = self.queue.try_lock() {
            while let Ok(job) = queue.try_recv() {
                self.batcher().push(job);
            }
        }
    }

    fn batcher(&self) -> MutexGuard<'_, Batcher> {
        lock(&self.batcher)
    }

    /// Runs a pass, and between its layers the light jobs that come meanwhile; a
    /// light job's own pass does not pause.
    fn run(&self, batch: Batch) {
        let elsewhere = AtomicU64::new(0);
        let pause = || {
            self.collect();
            let start = Instant::now();
            // One pass only: else callers enough would keep the heavy one waiting.
            if let Some(light) = self.next_light() {
                self.run_through(light, &|| {}, &AtomicU64::new(0));
            }
            elsewhere.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        };
        self.run_through(batch, &pause, &elsewhere);
    }

    fn next_light(&self) -> Option<Batch> {
        self.batcher().next_light(Instant::now())
    }

    /// Runs a pass and hands out its outputs. `elsewhere` are nanoseconds that
    /// its pauses took.
    fn run_through(&self, batch: Batch, pause: &(dyn Fn() + Sync), elsewhere: &AtomicU64) {
        let start = Instant::now();
        let result = self.outputs(&batch, pause);
        let paused = Duration::from_nanos(elsewhere.load(Ordering::Relaxed));
        let took = start.elapsed().saturating_sub(paused);
        let work = batch.tokens() * batch.model.layers();
        self.admission.note_pass(work * self.count, took.as_secs_f64());
        self.health.note_pass(result.is_ok());
        // Others run beside it.
        batch.model.note_pass(&batch.rows, took.as_secs_f64() / self.count as f64);
        histogram!("explaind_pass_seconds").record(took.as_secs_f64());
        histogram!("explaind_pass_rows").record(batch.rows.len() as f64);
        histogram!("explaind_pass_tokens").record(batch.tokens() as f64);
        histogram!("explaind_pass_fill").record(batch.tokens() as f64 / self.pass_tokens as f64);
        self.batcher().finish(batch, result, took);
    }

    /// A fault is logged here; the batcher finds the row that it is of.
    fn outputs(&self, batch: &Batch, pause: &(dyn Fn() + Sync)) -> PassResult {
        let run = |threads| batch.model.run_with(&batch.rows, threads, pause);
        let result = catch_unwind(AssertUnwindSafe(|| match self.threads_for(batch) {
            1 => run(1),
            threads => self.pool.install(|| run(threads)),
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

    /// A lone row of a large model is shared with the workers that are idle.
    fn threads_for(&self, batch: &Batch) -> usize {
        let large = |row| batch.model.row_work(row) >= WORTH_SHARING;
        match batch.rows.as_slice() {
            [row] if large(row) => 1 + self.count - self.busy.load(Ordering::Relaxed).max(1),
            _ => 1,
        }
    }
}

/// One more worker that has something to do, while this lives.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
