//! The request that rows belong to: what the queue needs to know to be fair.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The name of callers without a key.
pub const ANYONE: &str = "*";

/// A request. All its jobs, of every input and method, are charged to it.
#[derive(Debug)]
pub struct Requester {
    /// Name of the caller's key. Keys have equal shares of the capacity, and requests with the same
    /// key have equal shares of its share.
    pub caller: Arc<str>,
    /// Expected time of its rows, on all cores.
    pub expected: Duration,
    /// Multiply-adds of all its rows, as far as they are known.
    work: u64,
    /// Multiply-adds of its rows that were dispatched so far.
    served: AtomicU64,
    /// Number of polls in progress that may send several jobs.
    sending: AtomicUsize,
}

impl Default for Requester {
    fn default() -> Self {
        Self::new(ANYONE.into(), Duration::ZERO, 0)
    }
}

impl Requester {
    pub fn new(caller: Arc<str>, expected: Duration, work: u64) -> Self {
        Self { caller, expected, work, served: AtomicU64::new(0), sending: AtomicUsize::new(0) }
    }

    /// Returns the expected time of the rows that were not dispatched yet.
    pub fn remaining(&self) -> Duration {
        let done = self.served.load(Ordering::Relaxed) as f64 / self.work.max(1) as f64;
        self.expected.mul_f64((1. - done).max(0.))
    }

    /// Records the multiply-adds of rows that were dispatched.
    pub fn charge(&self, work: u64) {
        self.served.fetch_add(work, Ordering::Relaxed);
    }

    /// Calls `poll`, which may send several jobs. They run in the same passes as far as possible.
    pub fn together<T>(&self, poll: impl FnOnce() -> T) -> T {
        let _sending = Sending::new(&self.sending);
        poll()
    }

    /// Whether more jobs may follow at once. If not, all jobs of past calls of [`Self::together`]
    /// are in the queue.
    pub fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Acquire) > 0
    }
}

/// Counts a call of [`Requester::together`] until dropped.
struct Sending<'a>(&'a AtomicUsize);

impl<'a> Sending<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}
