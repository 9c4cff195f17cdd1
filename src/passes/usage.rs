//! What requests, methods and other parts of them have used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lock;

/// What a request has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub queue: Duration,
    pub compute: Duration,
}

impl Usage {
    pub fn add(&mut self, other: Self) {
        self.forward_rows += other.forward_rows;
        self.gradient_rows += other.gradient_rows;
        self.queue += other.queue;
        self.compute += other.compute;
    }
}

/// Usage counters to charge: those of the whole request first, then those of parts of it.
#[derive(Clone)]
pub struct Accounts(Vec<Arc<Mutex<Usage>>>);

impl Default for Accounts {
    fn default() -> Self {
        Self(vec![Arc::default()])
    }
}

impl Accounts {
    /// Adds a counter for a part.
    pub fn open(&mut self) {
        self.0.push(Arc::default());
    }

    pub fn charge(&self, used: Usage) {
        self.0.iter().for_each(|account| lock(account).add(used));
    }

    /// Charges only the parts, for what the request has paid already.
    pub fn charge_parts(&self, used: Usage) {
        self.0.iter().skip(1).for_each(|account| lock(account).add(used));
    }

    /// Returns what was charged to the last counter.
    pub fn usage(&self) -> Usage {
        self.0.last().map(|account| *lock(account)).unwrap_or_default()
    }
}
