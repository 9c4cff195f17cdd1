//! Assembles waiting rows into passes. It has no clock, threads or channels: the workers push jobs
//! and report the outputs of their rows.
//!
//! Requests share passes and take turns by the work they have received so far (`turns`), so a
//! request of two rows does not wait for one of five thousand, nor a small model for a large one.
//! Small requests have a lane of their own. Rows whose caller has disconnected are dropped before
//! they run.
//!
//! A failed pass is retried in halves until the failing row is alone. Only its job fails. Without
//! enough memory for a pass, later ones of the model are as small as its halves.

mod turns;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Span, debug_span, error};

use crate::error::Error;
use crate::model::Model;
use crate::passes::{Finished, Job};
use crate::rows::{Row, RowOutput};
pub use turns::{Lane, Size, SizeThreshold};
use turns::{QueuePosition, Turns};

/// Rows of one model that run in one pass.
pub struct Batch {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    /// For each row, the number of its job and its index in that job.
    owners: Vec<(u64, usize)>,
    /// One span per job, in the job's trace; they end with the pass.
    spans: Vec<Span>,
}

impl Batch {
    fn of(model: Arc<Model>) -> Self {
        Self { model, rows: Vec::new(), owners: Vec::new(), spans: Vec::new() }
    }

    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.tokens.len()).sum()
    }

    /// Number of tokens whose forward pass takes as long as this pass.
    pub fn load(&self) -> usize {
        self.rows.iter().map(|row| self.model.row_load(row)).sum()
    }

    fn push(&mut self, row: Row, owner: (u64, usize)) {
        self.rows.push(row);
        self.owners.push(owner);
    }

    fn halves(self) -> [Self; 2] {
        let middle = self.rows.len() / 2;
        let mut halves = [Self::of(Arc::clone(&self.model)), Self::of(self.model)];
        for (index, (row, owner)) in self.rows.into_iter().zip(self.owners).enumerate() {
            halves[usize::from(index >= middle)].push(row, owner);
        }
        halves
    }
}

/// Result of a pass: one output per row, or one failure for all rows.
pub type PassResult = Result<Vec<RowOutput>, Failure>;

/// Why a pass failed.
#[derive(Debug)]
pub enum Failure {
    /// One of the rows may be the cause.
    Row(Error),
    /// There is not enough memory for the rows together.
    Memory(Error),
    /// The device does not work any more: no pass on it will.
    Device(Error),
}

/// Limits of one pass. A row that exceeds them runs alone.
#[derive(Debug, Clone, Copy)]
pub struct PassLimits {
    pub tokens: usize,
    /// Memory kept for the backward pass.
    pub bytes: usize,
    /// Number of concurrent passes; waiting rows are divided among them.
    pub workers: usize,
    /// Number of concurrent passes of small requests beside them.
    pub express: usize,
}

impl PassLimits {
    /// Number of tokens of the next pass if `waiting` tokens wait: divides them into equal passes,
    /// the same number for each worker, so that all workers finish together; but into none of fewer
    /// than `smallest` tokens.
    fn share(&self, waiting: usize, smallest: usize) -> usize {
        let rounds = waiting.div_ceil(self.workers * self.tokens).max(1);
        let passes = (self.workers * rounds).min(waiting / smallest).max(1);
        waiting.div_ceil(passes).min(self.tokens)
    }
}

/// Returns the number of tokens below which a pass of the model spends much of its time on reading
/// weights, so that it is not divided among workers; they share its products instead. A token takes
/// two operations per weight whatever the model, but small models stay in the cores' caches.
fn smallest_pass(model: &Model) -> usize {
    match model.token_work() > CACHED_WEIGHTS {
        true => 128,
        false => 32,
    }
}

/// Approximate number of weights that a core's own cache holds.
const CACHED_WEIGHTS: u64 = 1 << 20;

/// Assigns the rows of all jobs in flight to passes.
pub struct Batcher {
    limits: PassLimits,
    next_number: u64,
    jobs: Vec<InFlight>,
    turns: Turns,
    /// Parts of failed passes, to be run separately.
    retries: Vec<Batch>,
}

struct InFlight {
    number: u64,
    job: Job,
    /// Its request's position; `None` before its first turn or after its lane has changed.
    position: Option<Arc<QueuePosition>>,
    /// Number of rows that have been handed out.
    taken: usize,
    /// Load of the rows that have not been handed out.
    waiting: usize,
    /// Multiply-adds used so far.
    served: u64,
    outputs: Vec<Option<RowOutput>>,
    missing: usize,
    waited: Option<Duration>,
    computed: Duration,
}

impl InFlight {
    fn next_row(&self) -> Option<&Row> {
        self.job.rows.get(self.taken)
    }

    fn waits(&self, threshold: SizeThreshold, size: Size) -> bool {
        self.next_row().is_some() && threshold.size(self.job.requester.expected) == size
    }
}

impl Batcher {
    pub fn new(limits: PassLimits) -> Self {
        Self {
            limits,
            next_number: 0,
            jobs: Vec::new(),
            turns: Turns::default(),
            retries: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub fn push(&mut self, job: Job) {
        let waiting = job.rows.iter().map(|row| job.model.row_load(row)).sum();
        let number = self.next_number;
        self.next_number += 1;
        self.jobs.push(InFlight {
            number,
            position: None,
            taken: 0,
            waiting,
            served: 0,
            outputs: job.rows.iter().map(|_| None).collect(),
            missing: job.rows.len(),
            waited: None,
            computed: Duration::ZERO,
            job,
        });
    }

    /// Returns the next pass of a lane if any rows wait in it.
    pub fn next(&mut self, now: Instant, lane: Lane) -> Option<Batch> {
        self.jobs.retain(|entry| !entry.job.reply.is_closed());
        let threshold = SizeThreshold::of(&self.jobs);
        self.turns.settle(&mut self.jobs, threshold);
        let mut sizes = lane.sizes().iter();
        let batch = self.next_retry();
        let batch = batch.or_else(|| sizes.find_map(|&size| self.pass(now, threshold, size)))?;
        Some(self.traced(batch))
    }

    /// Returns rows to retry, without those whose job has ended.
    fn next_retry(&mut self) -> Option<Batch> {
        while let Some(batch) = self.retries.pop() {
            let mut remaining = Batch::of(batch.model);
            for (row, owner) in batch.rows.into_iter().zip(batch.owners) {
                if self.jobs.iter().any(|entry| entry.number == owner.0) {
                    remaining.push(row, owner);
                }
            }
            if !remaining.rows.is_empty() {
                return Some(remaining);
            }
        }
        None
    }

    fn traced(&self, mut batch: Batch) -> Batch {
        let (rows, tokens) = (batch.rows.len(), batch.tokens());
        let numbers: HashSet<u64> = batch.owners.iter().map(|&(number, _)| number).collect();
        let jobs = self.jobs.iter().filter(|entry| numbers.contains(&entry.number));
        let span = |entry: &InFlight| debug_span!(parent: &entry.job.span, "pass", rows, tokens);
        batch.spans = jobs.map(span).collect();
        batch
    }

    fn pass(&mut self, now: Instant, threshold: SizeThreshold, size: Size) -> Option<Batch> {
        let waits = |entry: &&InFlight| entry.waits(threshold, size);
        let first = self.jobs.iter().filter(waits).min_by_key(|entry| entry.turn())?;
        let model = Arc::clone(&first.job.model);
        let of_model =
            |entry: &&InFlight| waits(entry) && entry.job.model.shares_weights_with(&model);
        let waiting: usize = self.jobs.iter().filter(of_model).map(|entry| entry.waiting).sum();
        let load = self.limits.share(waiting, smallest_pass(&model)).min(model.most_tokens());
        let mut room = RemainingRoom { load, bytes: self.limits.bytes, empty: true };
        let mut batch = Batch::of(model);
        let fits = |entry: &InFlight, batch: &Batch, room: &RemainingRoom| {
            entry.waits(threshold, size)
                && entry.job.model.shares_weights_with(&batch.model)
                && entry.next_row().is_some_and(|row| room.fits(&batch.model, row))
        };
        while let Some(index) = self.first(|entry| fits(entry, &batch, &room)) {
            self.take_row(index, &mut batch, &mut room, now);
        }
        Some(batch)
    }

    /// Index of the job whose turn it is, among those that satisfy `eligible`.
    fn first(&self, eligible: impl Fn(&InFlight) -> bool) -> Option<usize> {
        let candidates = self.jobs.iter().enumerate().filter(|(_, entry)| eligible(entry));
        candidates.min_by_key(|(_, entry)| entry.turn()).map(|(index, _)| index)
    }

    fn take_row(
        &mut self,
        index: usize,
        batch: &mut Batch,
        room: &mut RemainingRoom,
        now: Instant,
    ) {
        let entry = &mut self.jobs[index];
        let row = entry.job.rows[entry.taken].clone();
        room.take(&batch.model, &row);
        let work = batch.model.row_work(&row);
        entry.waiting -= batch.model.row_load(&row);
        entry.waited.get_or_insert_with(|| now.duration_since(entry.job.queued));
        entry.charge(work);
        batch.push(row, (entry.number, entry.taken));
        entry.taken += 1;
    }

    /// Distributes the outputs of a pass and answers the jobs that are complete. A job fails if an
    /// output is not finite. A failed pass fails only the job of the row that caused it.
    pub fn finish(&mut self, batch: Batch, result: PassResult, took: Duration) {
        let load = batch.load().max(1) as f64;
        let outputs: Vec<_> = match result {
            Ok(outputs) => outputs.into_iter().map(check_finite).collect(),
            Err(Failure::Device(error)) => batch.rows.iter().map(|_| Err(error.clone())).collect(),
            Err(Failure::Memory(_)) if batch.rows.len() > 1 => {
                batch.model.limit_tokens(batch.load() / 2);
                return self.retries.extend(batch.halves());
            }
            Err(Failure::Row(_)) if batch.rows.len() > 1 => {
                return self.retries.extend(batch.halves());
            }
            Err(Failure::Row(error) | Failure::Memory(error)) => vec![Err(error)],
        };
        for ((&(number, row), input), output) in batch.owners.iter().zip(&batch.rows).zip(outputs) {
            let Some(index) = self.jobs.iter().position(|entry| entry.number == number) else {
                continue;
            };
            let entry = &mut self.jobs[index];
            entry.computed += took.mul_f64(entry.job.model.row_load(input) as f64 / load);
            match output {
                Ok(output) => {
                    entry.outputs[row] = Some(output);
                    entry.missing -= 1;
                    if entry.missing == 0 {
                        self.answer(index, Ok(()));
                    }
                }
                Err(error) => {
                    let row = format!("{} of {}", row + 1, entry.outputs.len());
                    error!(parent: &entry.job.span, row, cause = error.detail, "a row failed");
                    self.answer(index, Err(error));
                }
            }
        }
    }

    fn answer(&mut self, index: usize, result: Result<(), Error>) {
        let entry = self.jobs.swap_remove(index);
        let finished = result.map(|()| Finished {
            outputs: entry.outputs.into_iter().flatten().collect(),
            waited: entry.waited.unwrap_or_default(),
            computed: entry.computed,
        });
        // The receiver is gone if the caller has disconnected.
        let _ = entry.job.reply.send(finished);
    }
}

/// What still fits into a pass.
struct RemainingRoom {
    load: usize,
    bytes: usize,
    empty: bool,
}

impl RemainingRoom {
    fn fits(&self, model: &Model, row: &Row) -> bool {
        let fits = |load| load <= self.load && model.row_bytes(row.tokens.len()) <= self.bytes;
        self.empty || fits(model.row_load(row))
    }

    fn take(&mut self, model: &Model, row: &Row) {
        self.load = self.load.saturating_sub(model.row_load(row));
        self.bytes = self.bytes.saturating_sub(model.row_bytes(row.tokens.len()));
        self.empty = false;
    }
}

fn check_finite(output: RowOutput) -> Result<RowOutput, Error> {
    match output.is_finite() {
        true => Ok(output),
        false => Err(Error::internal("the model's output is not finite")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_equal_and_not_too_small() {
        let limits = PassLimits { tokens: 1_000, bytes: 1 << 30, workers: 2, express: 2 };
        for (waiting, smallest, share) in [
            (20, 32, 20),
            (63, 32, 63),
            (64, 32, 32),
            (255, 128, 255),
            (257, 128, 129),
            (2_000, 128, 1_000),
            // Two passes for each worker.
            (2_400, 128, 600),
        ] {
            assert_eq!(limits.share(waiting, smallest), share, "{waiting}, {smallest}");
        }
        let limits = PassLimits { tokens: 16, ..limits };
        assert_eq!(limits.share(40, 128), 16);
    }

    #[test]
    fn the_built_in_model_stays_in_caches() {
        let source = "builtin:sentiment-en".parse().unwrap();
        let model = Model::load("own", &source, &Default::default()).unwrap();
        assert_eq!(smallest_pass(&model), 32);
    }
}
