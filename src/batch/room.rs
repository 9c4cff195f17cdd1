//! How many rows are in flight.

use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use super::Output;

/// Limits the rows in flight. Enough of them fill the passes. Too many would be lost if the process
/// is killed, because rows in flight are served in turn and are done at about the same time; and
/// their results are in memory until those of earlier rows are written.
pub struct Room {
    cores: usize,
    /// Bytes of results.
    memory: usize,
    begun: Instant,
    /// Lines that were there at the beginning.
    known: usize,
}

/// How long the rows in flight take.
const AHEAD: Duration = Duration::from_secs(1);

/// Rows in flight per core, at least and at most.
const ROWS_PER_CORE: (usize, usize) = (2, 64);

/// Questions in flight per core. The rows of a question share the cost of its admission.
const QUESTIONS_PER_CORE: usize = 4;

impl Room {
    pub fn new(memory: usize, output: &Output) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self { cores, memory, begun: Instant::now(), known: output.counts().lines }
    }

    /// Returns the number of rows that may be in flight, at the pace so far and with the longest
    /// line so far.
    pub fn rows(&self, output: &Output) -> usize {
        let done = (output.counts().lines - self.known) as f64;
        let ahead = done * AHEAD.as_secs_f64() / self.begun.elapsed().as_secs_f64();
        let (least, most) = ROWS_PER_CORE;
        let rows = (ahead as usize).clamp(least * self.cores, most * self.cores);
        rows.min(self.memory / output.longest().max(1)).max(1)
    }

    /// Divides the rows in flight into questions.
    pub fn rows_per_question(&self, rows: usize) -> usize {
        rows.div_ceil(QUESTIONS_PER_CORE * self.cores)
    }
}
