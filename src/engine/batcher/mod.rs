//! Waiting rows → one pass. No clock, no thread, no channel: the workers feed
//! jobs in and report what their rows gave.
//!
//! Requests share passes and take turns by what they have cost so far (`turns`), so
//! one of two rows is not kept waiting by one of five thousand, nor a small model by
//! a large one. Small requests have a lane of their own beside the main one. Rows of
//! a job whose caller has left are dropped before they run.
//!
//! A pass that fails is run again in halves, until the row that it fails on is
//! alone: that one's job fails, and its neighbours never hear of it.

mod turns;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Span, debug_span, error};

use crate::error::Error;
use crate::model::Model;
use crate::passes::{Finished, Job};
use crate::rows::{Row, RowOutput};
pub use turns::{Border, Lane, Size};
use turns::{Place, Turns};

/// Rows of one model that run together.
pub struct Batch {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    /// For each row, its job and its number there.
    owners: Vec<(u64, usize)>,
    /// Of the pass, one in each job's own trace; they end with it.
    spans: Vec<Span>,
}

impl Batch {
    fn of(model: Arc<Model>) -> Self {
        Self { model, rows: Vec::new(), owners: Vec::new(), spans: Vec::new() }
    }

    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.tokens.len()).sum()
    }

    /// Tokens of a forward pass that take as long as its own.
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
        for (place, (row, owner)) in self.rows.into_iter().zip(self.owners).enumerate() {
            halves[usize::from(place >= middle)].push(row, owner);
        }
        halves
    }
}

/// What a pass gave: an output a row, or for each row the same fault.
pub type PassResult = Result<Vec<RowOutput>, Error>;

/// What one pass may hold. A row over it runs alone.
#[derive(Debug, Clone, Copy)]
pub struct PassLimits {
    pub tokens: usize,
    /// Memory kept until the gradients are done.
    pub bytes: usize,
    /// Passes that run at a time: what waits is shared among them.
    pub workers: usize,
}

impl PassLimits {
    /// Tokens of the next pass where so many wait: they are cut into equal
    /// passes, so many that every worker has the same number of them, so that
    /// all end together.
    fn share(&self, waiting: usize) -> usize {
        let rounds = waiting.div_ceil(self.workers * self.tokens).max(1);
        waiting.div_ceil(self.workers * rounds).clamp(SMALLEST_PASS.min(self.tokens), self.tokens)
    }
}

/// A pass of fewer tokens wastes time on reading weights: less than this is not
/// shared among workers.
const SMALLEST_PASS: usize = 32;

/// The jobs in flight.
pub struct Batcher {
    limits: PassLimits,
    next_number: u64,
    jobs: Vec<InFlight>,
    turns: Turns,
    /// Parts of passes that failed, to be run by themselves.
    again: Vec<Batch>,
}

struct InFlight {
    number: u64,
    job: Job,
    /// Its request's; none before its first turn, or where that has another now.
    place: Option<Arc<Place>>,
    /// Rows before this one have been handed out.
    taken: usize,
    /// The load of the rows that have not.
    waiting: usize,
    /// What it has cost so far, in multiply-adds.
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

    fn waits(&self, border: Border, size: Size) -> bool {
        self.next_row().is_some() && border.size(self.job.requester.expected) == size
    }
}

impl Batcher {
    pub fn new(limits: PassLimits) -> Self {
        Self {
            limits,
            next_number: 0,
            jobs: Vec::new(),
            turns: Turns::default(),
            again: Vec::new(),
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
            place: None,
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

    /// The next pass of a lane, if any row waits there.
    pub fn next(&mut self, now: Instant, lane: Lane) -> Option<Batch> {
        self.jobs.retain(|entry| !entry.job.reply.is_closed());
        let border = Border::of(&self.jobs);
        self.turns.settle(&mut self.jobs, border);
        let mut sizes = lane.sizes().iter();
        let batch = self.next_again();
        let batch = batch.or_else(|| sizes.find_map(|&size| self.pass(now, border, size)))?;
        Some(self.traced(batch))
    }

    /// Rows to be run again, without those whose job is over.
    fn next_again(&mut self) -> Option<Batch> {
        while let Some(batch) = self.again.pop() {
            let mut left = Batch::of(batch.model);
            for (row, owner) in batch.rows.into_iter().zip(batch.owners) {
                if self.jobs.iter().any(|entry| entry.number == owner.0) {
                    left.push(row, owner);
                }
            }
            if !left.rows.is_empty() {
                return Some(left);
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

    fn pass(&mut self, now: Instant, border: Border, size: Size) -> Option<Batch> {
        let waits = |entry: &&InFlight| entry.waits(border, size);
        let first = self.jobs.iter().filter(waits).min_by_key(|entry| entry.turn())?;
        let model = Arc::clone(&first.job.model);
        let of_model =
            |entry: &&InFlight| waits(entry) && entry.job.model.shares_weights_with(&model);
        let waiting: usize = self.jobs.iter().filter(of_model).map(|entry| entry.waiting).sum();
        let load = self.limits.share(waiting);
        let mut room = Room { load, bytes: self.limits.bytes, empty: true };
        let mut batch = Batch::of(model);
        let fits = |entry: &InFlight, batch: &Batch, room: &Room| {
            entry.waits(border, size)
                && entry.job.model.shares_weights_with(&batch.model)
                && entry.next_row().is_some_and(|row| room.fits(&batch.model, row))
        };
        while let Some(place) = self.first(|entry| fits(entry, &batch, &room)) {
            self.take_row(place, &mut batch, &mut room, now);
        }
        Some(batch)
    }

    /// The job whose turn it is, of those that may.
    fn first(&self, may: impl Fn(&InFlight) -> bool) -> Option<usize> {
        let candidates = self.jobs.iter().enumerate().filter(|(_, entry)| may(entry));
        candidates.min_by_key(|(_, entry)| entry.turn()).map(|(place, _)| place)
    }

    fn take_row(&mut self, place: usize, batch: &mut Batch, room: &mut Room, now: Instant) {
        let entry = &mut self.jobs[place];
        let row = entry.job.rows[entry.taken].clone();
        room.take(&batch.model, &row);
        let work = batch.model.row_work(&row);
        entry.waiting -= batch.model.row_load(&row);
        entry.waited.get_or_insert_with(|| now.duration_since(entry.job.queued));
        entry.charge(work);
        batch.push(row, (entry.number, entry.taken));
        entry.taken += 1;
    }

    /// Hands a pass's outputs to their jobs and answers those that are done. A
    /// number that is not finite fails its job; a fault of the pass that of the row
    /// that it is found to be of.
    pub fn finish(&mut self, batch: Batch, result: PassResult, took: Duration) {
        let load = batch.load().max(1) as f64;
        let outputs = match result {
            Ok(outputs) => outputs.into_iter().map(checked).collect(),
            Err(_) if batch.rows.len() > 1 => return self.again.extend(batch.halves()),
            Err(error) => vec![Err(error)],
        };
        for ((&(number, row), input), output) in batch.owners.iter().zip(&batch.rows).zip(outputs) {
            let Some(place) = self.jobs.iter().position(|entry| entry.number == number) else {
                continue;
            };
            let entry = &mut self.jobs[place];
            entry.computed += took.mul_f64(entry.job.model.row_load(input) as f64 / load);
            match output {
                Ok(output) => {
                    entry.outputs[row] = Some(output);
                    entry.missing -= 1;
                    if entry.missing == 0 {
                        self.answer(place, Ok(()));
                    }
                }
                Err(error) => {
                    let row = format!("{} of {}", row + 1, entry.outputs.len());
                    error!(parent: &entry.job.span, row, cause = error.detail, "a row failed");
                    self.answer(place, Err(error));
                }
            }
        }
    }

    fn answer(&mut self, place: usize, result: Result<(), Error>) {
        let entry = self.jobs.swap_remove(place);
        let finished = result.map(|()| Finished {
            outputs: entry.outputs.into_iter().flatten().collect(),
            waited: entry.waited.unwrap_or_default(),
            computed: entry.computed,
        });
        // A caller that has left does not mind.
        let _ = entry.job.reply.send(finished);
    }
}

/// What a pass has room for still.
struct Room {
    load: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
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

fn checked(output: RowOutput) -> Result<RowOutput, Error> {
    match output.is_finite() {
        true => Ok(output),
        false => Err(Error::internal("the model gave a number that is not finite")),
    }
}
