//! Waiting rows → one pass. No clock, no thread, no channel: the worker feeds
//! jobs in and reports what their rows gave.
//!
//! Jobs of one model share a pass and take turns row by row, so a job of two
//! rows is not kept waiting by one of five thousand; models take turns pass by
//! pass. Rows of a job whose caller has left are dropped before they run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::model::Model;
use crate::passes::{Finished, Job};
use crate::rows::{Row, RowOutput};

/// Rows of one model that run together.
pub struct Batch {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    /// For each row, its job and its number there.
    owners: Vec<(u64, usize)>,
}

impl Batch {
    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.tokens.len()).sum()
    }
}

/// What a pass gave: an output a row, or for each row the same fault.
pub type PassResult = Result<Vec<RowOutput>, Error>;

/// The jobs in flight.
pub struct Batcher {
    budget: usize,
    next_number: u64,
    jobs: VecDeque<InFlight>,
}

struct InFlight {
    number: u64,
    job: Job,
    /// Rows before this one have been handed out.
    taken: usize,
    outputs: Vec<Option<RowOutput>>,
    waited: Option<Duration>,
    computed: Duration,
}

impl InFlight {
    fn next_cost(&self) -> Option<usize> {
        self.job.rows.get(self.taken).map(|row| row.tokens.len())
    }
}

impl Batcher {
    /// A batcher of passes of at most `budget` tokens; a longer row runs alone.
    pub fn new(budget: usize) -> Self {
        Self { budget, next_number: 0, jobs: VecDeque::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub fn push(&mut self, job: Job) {
        let outputs = job.rows.iter().map(|_| None).collect();
        let number = self.next_number;
        self.next_number += 1;
        let computed = Duration::ZERO;
        self.jobs.push_back(InFlight { number, job, taken: 0, outputs, waited: None, computed });
    }

    /// The next pass, if any row waits.
    pub fn next(&mut self, now: Instant) -> Option<Batch> {
        self.jobs.retain(|entry| !entry.job.reply.is_closed());
        let first = self.jobs.iter().position(|entry| entry.next_cost().is_some())?;
        let model = Arc::clone(&self.jobs[first].job.model);
        let mut batch = Batch { model, rows: Vec::new(), owners: Vec::new() };
        let mut left = self.budget;
        while self.take_round(&mut batch, &mut left, now) {}
        // The next pass starts with another job, perhaps of another model.
        self.jobs.rotate_left(first + 1);
        Some(batch)
    }

    /// One row of each job of the batch's model that still fits.
    fn take_round(&mut self, batch: &mut Batch, left: &mut usize, now: Instant) -> bool {
        let before = batch.rows.len();
        for entry in &mut self.jobs {
            let Some(cost) = entry.next_cost() else { continue };
            let fits = cost <= *left || batch.rows.is_empty();
            if !fits || !Arc::ptr_eq(&entry.job.model, &batch.model) {
                continue;
            }
            *left = left.saturating_sub(cost);
            entry.waited.get_or_insert_with(|| now.duration_since(entry.job.queued));
            batch.rows.push(entry.job.rows[entry.taken].clone());
            batch.owners.push((entry.number, entry.taken));
            entry.taken += 1;
        }
        batch.rows.len() > before
    }

    /// Hands a pass's outputs to their jobs and answers those that are done. A
    /// fault of the pass, or a number that is not finite, fails the job.
    pub fn finish(&mut self, batch: Batch, result: PassResult, took: Duration) {
        let tokens = batch.tokens().max(1) as f64;
        let outputs = match result {
            Ok(outputs) => outputs.into_iter().map(checked).collect(),
            Err(error) => vec![Err(error); batch.owners.len()],
        };
        for ((&(number, row), input), output) in batch.owners.iter().zip(&batch.rows).zip(outputs) {
            let Some(place) = self.jobs.iter().position(|entry| entry.number == number) else {
                continue;
            };
            let entry = &mut self.jobs[place];
            entry.computed += took.mul_f64(input.tokens.len() as f64 / tokens);
            match output {
                Ok(output) => entry.outputs[row] = Some(output),
                Err(error) => self.answer(place, Err(error)),
            }
        }
        while let Some(done) = self.jobs.iter().position(|e| e.outputs.iter().all(Option::is_some))
        {
            self.answer(done, Ok(()));
        }
    }

    fn answer(&mut self, place: usize, result: Result<(), Error>) {
        let Some(entry) = self.jobs.remove(place) else { return };
        let finished = result.map(|()| Finished {
            outputs: entry.outputs.into_iter().flatten().collect(),
            waited: entry.waited.unwrap_or_default(),
            computed: entry.computed,
        });
        // A caller that has left does not mind.
        let _ = entry.job.reply.send(finished);
    }
}

fn checked(output: RowOutput) -> Result<RowOutput, Error> {
    match output.is_finite() {
        true => Ok(output),
        false => Err(Error::internal("the model gave a number that is not finite")),
    }
}
