//! Counts the requests of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests of a connection that have begun, and those whose responses have been handed
/// over completely.
#[derive(Clone, Default)]
pub struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request whose response has not been handed over completely.
pub struct BegunRequest(Requests);

impl Requests {
    pub fn begin(&self) -> BegunRequest {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        BegunRequest(self.clone())
    }

    pub fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// The number of requests, if all of them have ended.
    pub fn all_ended(&self) -> Option<usize> {
        let begun = self.begun();
        (begun == self.0.ended.load(Ordering::Relaxed)).then_some(begun)
    }
}

impl Drop for BegunRequest {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
