//! Who is served next. Keys take turns by what they have had, within a key its
//! requests, and within a request its jobs: it is worth nothing to send a piece of
//! work as many inputs, as many methods or as many requests.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
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

/// A request is small beside one that should take more than this many times as long.
const SMALLER: u32 = 2;

/// How much each request has been served, and each key, in the lane that it is in. Only
/// differences matter: whoever comes into a lane is level with those who have had least
/// there, for what they had before it came is not made up for.
#[derive(Default)]
pub struct Turns {
    requests: HashMap<usize, Account>,
    keys: HashMap<(Size, Arc<str>), u64>,
}

/// A request's, for as long as it lasts: between two of its jobs, too.
struct Account {
    requester: Weak<Requester>,
    size: Size,
    served: u64,
}

/// The order in which jobs are served; the least is next.
pub type Turn = (u64, u64, u64);

impl Turns {
    /// Forgets who is gone, and lets those take part who have come or whose size is another
    /// than before.
    pub fn settle(&mut self, jobs: &mut [InFlight], border: Border) {
        self.requests.retain(|_, account| account.requester.strong_count() > 0);
        let waits = |(size, key): &(Size, Arc<str>)| {
            jobs.iter().any(|entry| {
                let requester = &entry.job.requester;
                requester.caller == *key && border.size(requester.expected) == *size
            })
        };
        self.keys.retain(|key, _| waits(key));
        for place in 0..jobs.len() {
            let requester = Arc::clone(&jobs[place].job.requester);
            let size = border.size(requester.expected);
            let known = self.requests.get(&id(&requester)).is_some_and(|a| a.size == size);
            if !known || jobs[place].is_new {
                self.enter(&requester, size, known, jobs);
            }
            jobs[place].is_new = false;
        }
    }

    fn enter(&mut self, requester: &Arc<Requester>, size: Size, known: bool, jobs: &[InFlight]) {
        let others = jobs
            .iter()
            .map(|entry| &entry.job.requester)
            .filter(|other| other.caller == requester.caller && !Arc::ptr_eq(other, requester));
        let accounts = others.filter_map(|other| self.requests.get(&id(other)));
        let level = accounts.filter(|other| other.size == size).map(|other| other.served).min();
        let own = self.requests.get(&id(requester)).map(|account| account.served);
        let served = match known {
            // Back with another job.
            true => own.into_iter().chain(level).max(),
            false => level,
        };
        let account = Account {
            requester: Arc::downgrade(requester),
            size,
            served: served.unwrap_or_default(),
        };
        self.requests.insert(id(requester), account);
        let of_size = self.keys.iter().filter(|((other, _), _)| *other == size);
        let level = of_size.map(|(_, served)| *served).min().unwrap_or_default();
        self.keys.entry((size, Arc::clone(&requester.caller))).or_insert(level);
    }

    pub fn charge(&mut self, requester: &Arc<Requester>, work: u64) {
        requester.charge(work);
        let Some(account) = self.requests.get_mut(&id(requester)) else { return };
        account.served += work;
        if let Some(served) = self.keys.get_mut(&(account.size, Arc::clone(&requester.caller))) {
            *served += work;
        }
    }

    pub fn of(&self, entry: &InFlight) -> Turn {
        let requester = &entry.job.requester;
        let Some(account) = self.requests.get(&id(requester)) else { return Turn::default() };
        let key = (account.size, Arc::clone(&requester.caller));
        (self.keys.get(&key).copied().unwrap_or_default(), account.served, entry.served)
    }
}

/// Where it lies: as long as its account is there, nothing else lies there.
fn id(requester: &Arc<Requester>) -> usize {
    Arc::as_ptr(requester).addr()
}

/// Requests by what they should take, beside the largest that has jobs in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    Large,
    Small,
}

/// The longest that a small request may take.
#[derive(Debug, Clone, Copy)]
pub struct Border(Duration);

impl Border {
    /// Beside requests that should take so long.
    pub fn beside(expected: impl Iterator<Item = Duration>) -> Self {
        Self(expected.max().unwrap_or_default() / SMALLER)
    }

    pub(super) fn of(jobs: &[InFlight]) -> Self {
        Self::beside(jobs.iter().map(|entry| entry.job.requester.expected))
    }

    /// Of a request that should take so long.
    pub fn size(self, expected: Duration) -> Size {
        match expected < self.0 {
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
