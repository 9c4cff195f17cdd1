//! Whose rows they are: what the queue needs to know of a request to be fair to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The name of all who ask without a key.
pub const ANYONE: &str = "*";

/// A request, for as long as it lasts: all its jobs are charged to it, those of every
/// input and every method.
#[derive(Debug)]
pub struct Requester {
    /// The name of the key that it came with. Keys have equal shares, and requests
    /// of one key have equal shares of that key's.
    pub caller: Arc<str>,
    /// What its rows should take on all cores.
    pub expected: Duration,
    /// Multiply-adds of all its rows, as far as that is known.
    work: u64,
    /// Multiply-adds of its rows that were handed out so far.
    served: AtomicU64,
}

impl Default for Requester {
    fn default() -> Self {
        Self::new(ANYONE.into(), Duration::ZERO, 0)
    }
}

impl Requester {
    pub fn new(caller: Arc<str>, expected: Duration, work: u64) -> Self {
        Self { caller, expected, work, served: AtomicU64::new(0) }
    }

    /// What the rows that were not handed out yet should take.
    pub fn remaining(&self) -> Duration {
        let done = self.served.load(Ordering::Relaxed) as f64 / self.work.max(1) as f64;
        self.expected.mul_f64((1. - done).max(0.))
    }

    /// Notes rows that were handed out.
    pub fn charge(&self, work: u64) {
        self.served.fetch_add(work, Ordering::Relaxed);
    }
}
