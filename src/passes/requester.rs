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
    /// Multiply-adds of its rows that were handed out so far.
    served: AtomicU64,
}

impl Default for Requester {
    fn default() -> Self {
        Self::new(ANYONE.into(), Duration::ZERO)
    }
}

impl Requester {
    pub fn new(caller: Arc<str>, expected: Duration) -> Self {
        Self { caller, expected, served: AtomicU64::new(0) }
    }

    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub fn charge(&self, work: u64) {
        self.served.fetch_add(work, Ordering::Relaxed);
    }

    /// Puts it level with others that have had more: what they had before it came is
    /// not made up for.
    pub fn raise(&self, served: u64) {
        self.served.fetch_max(served, Ordering::Relaxed);
    }
}
