//! Who is served next. Keys take turns by what they have had, within a key its
//! requests, and within a request its jobs: it is worth nothing to send a piece of
//! work as many inputs, as many methods or as many requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::InFlight;
use crate::passes::Requester;

/// Which requests a worker takes rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Large requests, and small ones while no large one waits.
    Main,
    /// Small requests only, beside what the main lane is in the midst of.
    Express,
}

/// A request is small beside one that should take this many times as long.
const SMALLER: u32 = 2;

/// What each key has been served, of those that have jobs in flight.
#[derive(Default)]
pub struct Turns(HashMap<Arc<str>, u64>);

/// The order in which jobs are served; the least is next.
pub type Turn = (u64, u64, u64);

impl Turns {
    /// Lets a request take part, level with those of its key that are there, and its
    /// key level with the other keys.
    pub fn enter(&mut self, requester: &Requester, jobs: &[InFlight]) {
        let others = jobs.iter().map(|entry| &entry.job.requester);
        let of_key = others.filter(|other| other.caller == requester.caller);
        // Where it has jobs already, it is among them.
        requester.raise(of_key.map(|other| other.served()).min().unwrap_or_default());
        let level = self.0.values().min().copied().unwrap_or_default();
        self.0.entry(Arc::clone(&requester.caller)).or_insert(level);
    }

    pub fn charge(&mut self, requester: &Requester, work: u64) {
        requester.charge(work);
        if let Some(served) = self.0.get_mut(&requester.caller) {
            *served += work;
        }
    }

    /// Forgets keys that have nothing in flight.
    pub fn keep(&mut self, jobs: &[InFlight]) {
        self.0.retain(|key, _| jobs.iter().any(|entry| entry.job.requester.caller == *key));
    }

    pub fn of(&self, entry: &InFlight) -> Turn {
        let requester = &entry.job.requester;
        let of_key = self.0.get(&requester.caller).copied().unwrap_or_default();
        (of_key, requester.served(), entry.served)
    }
}

/// Requests by what they should take, beside the largest that has jobs in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Large,
    Small,
}

/// The longest that a small request may take.
#[derive(Debug, Clone, Copy)]
pub struct Border(Duration);

impl Border {
    pub fn of(jobs: &[InFlight]) -> Self {
        let largest = jobs.iter().map(|entry| entry.job.requester.expected).max();
        Self(largest.unwrap_or_default() / SMALLER)
    }

    pub fn size(self, requester: &Requester) -> Size {
        match requester.expected < self.0 {
            true => Size::Small,
            false => Size::Large,
        }
    }
}

impl Lane {
    /// What is looked for, in this order.
    pub fn sizes(self) -> &'static [Size] {
        match self {
            Self::Main => &[Size::Large, Size::Small],
            Self::Express => &[Size::Small],
        }
    }
}
