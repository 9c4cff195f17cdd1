//! The thread that runs passes. It outlives a panic in one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use metrics::{counter, histogram};
use tokio::sync::mpsc;
use tracing::error;

use super::Admission;
use super::batcher::{Batch, Batcher, PassResult};
use crate::error::Error;
use crate::passes::Job;

/// Starts the worker. It ends when the last sender is dropped and no job is
/// left.
pub fn spawn(
    queue: mpsc::Receiver<Job>,
    batch_tokens: usize,
    admission: Arc<Admission>,
) -> std::io::Result<()> {
    thread::Builder::new()
        .name("explaind-worker".to_owned())
        .spawn(move || work(queue, Batcher::new(batch_tokens), &admission))?;
    Ok(())
}

fn work(mut queue: mpsc::Receiver<Job>, mut batcher: Batcher, admission: &Admission) {
    loop {
        if batcher.is_empty() {
            match queue.blocking_recv() {
                Some(job) => batcher.push(job),
                None => return,
            }
        }
        while let Ok(job) = queue.try_recv() {
            batcher.push(job);
        }
        let start = Instant::now();
        if let Some(batch) = batcher.next(start) {
            let result = run(&batch);
            let took = start.elapsed();
            admission.note_pass(batch.tokens(), took.as_secs_f64());
            histogram!("explaind_pass_seconds").record(took.as_secs_f64());
            histogram!("explaind_pass_rows").record(batch.rows.len() as f64);
            histogram!("explaind_pass_tokens").record(batch.tokens() as f64);
            batcher.finish(batch, result, took);
        }
    }
}

/// One pass. A fault in it is logged here and told to the rows it was for.
fn run(batch: &Batch) -> PassResult {
    let result = catch_unwind(AssertUnwindSafe(|| batch.model.run(&batch.rows)));
    let fault = match result {
        Ok(Ok(outputs)) => return Ok(outputs),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("panic: {}", message(&*panic)),
    };
    counter!("explaind_pass_failures_total").increment(1);
    error!(model = batch.model.id, rows = batch.rows.len(), fault, "a pass failed");
    Err(Error::internal(fault))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
