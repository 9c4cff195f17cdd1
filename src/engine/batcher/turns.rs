//! Decides who is served next. Keys take turns by the work they have received, the requests of a
//! key likewise, and the jobs of a request likewise. Splitting work into many inputs, methods or
//! requests therefore gains nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::InFlight;
use crate::passes::Requester;

/// Which requests a worker takes rows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Large requests; small ones only if no large one waits.
    Main,
    /// Small requests only, while the main lane runs a large pass.
    Express,
}

/// A request is small if the largest one in flight takes more than this many times as long.
const SMALL_RATIO: u32 = 2;

/// The work that each request and each key has received in its lane. Only differences matter. A
/// newcomer starts level with the one that has received least in the lane, so earlier idle time
/// gives no credit.
#[derive(Default)]
pub struct Turns {
    /// Kept until the request ends, because there may be no jobs of it in between.
    requests: HashMap<usize, (Weak<Requester>, Arc<QueuePosition>)>,
    keys: HashMap<(Size, Arc<str>), Arc<AtomicU64>>,
}

/// A request's position in its lane.
pub struct QueuePosition {
    size: Size,
    served: AtomicU64,
    /// Work that its key has received in this lane.
    of_key: Arc<AtomicU64>,
}

/// Order in which jobs are served; the smallest is next.
pub type Turn = (u64, u64, u64);

impl Turns {
    /// Drops ended requests, and assigns positions to jobs that are new or whose size has changed.
    pub fn settle(&mut self, jobs: &mut [InFlight], threshold: SizeThreshold) {
        self.requests.retain(|_, (requester, _)| requester.strong_count() > 0);
        self.keys.retain(|_, served| Arc::strong_count(served) > 1);
        for index in 0..jobs.len() {
            let size = threshold.size(jobs[index].job.requester.expected);
            if jobs[index].position.as_ref().is_none_or(|position| position.size != size) {
                let position = self.enter(&jobs[index].job.requester, size, jobs);
                jobs[index].position = Some(position);
            }
        }
    }

    fn enter(
        &mut self,
        requester: &Arc<Requester>,
        size: Size,
        jobs: &[InFlight],
    ) -> Arc<QueuePosition> {
        let key = (size, Arc::clone(&requester.caller));
        let of_key = Arc::clone(self.keys.entry(key).or_default());
        let known = self.requests.get(&id(requester)).map(|(_, position)| position);
        let position = match known.filter(|position| position.size == size) {
            Some(position) => Arc::clone(position),
            None => Arc::new(QueuePosition { size, served: AtomicU64::new(0), of_key }),
        };
        let in_lane = || jobs.iter().filter_map(|entry| entry.position.as_ref());
        let in_lane = || in_lane().filter(|other| other.size == size);
        let of_key = || in_lane().filter(|other| Arc::ptr_eq(&other.of_key, &position.of_key));
        if of_key().next().is_none() {
            raise(&position.of_key, in_lane().map(|other| &*other.of_key));
        }
        if !of_key().any(|other| Arc::ptr_eq(other, &position)) {
            raise(&position.served, of_key().map(|other| &other.served));
        }
        self.requests.insert(id(requester), (Arc::downgrade(requester), Arc::clone(&position)));
        position
    }
}

/// Raises `served` to the minimum of the others, for newcomers and those that return.
fn raise<'a>(served: &AtomicU64, others: impl Iterator<Item = &'a AtomicU64>) {
    served.fetch_max(others.map(load).min().unwrap_or_default(), Ordering::Relaxed);
}

impl InFlight {
    /// Charges the work of rows that are handed out.
    pub fn charge(&mut self, work: u64) {
        self.served += work;
        self.job.requester.charge(work);
        if let Some(position) = &self.position {
            position.served.fetch_add(work, Ordering::Relaxed);
            position.of_key.fetch_add(work, Ordering::Relaxed);
        }
    }

    pub fn turn(&self) -> Turn {
        let turn = |position: &Arc<QueuePosition>| {
            (load(&position.of_key), load(&position.served), self.served)
        };
        self.position.as_ref().map(turn).unwrap_or_default()
    }
}

fn load(served: &AtomicU64) -> u64 {
    served.load(Ordering::Relaxed)
}

/// Address of the request. It stays unique because an entry lasts as long as its request.
fn id(requester: &Arc<Requester>) -> usize {
    Arc::as_ptr(requester).addr()
}

/// Size of a request by its expected time, relative to the largest one in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    Large,
    Small,
}

/// Requests that take at least this long are large.
#[derive(Debug, Clone, Copy)]
pub struct SizeThreshold(Duration);

impl SizeThreshold {
    /// The threshold for requests in flight with these expected times.
    pub fn among(expected: impl Iterator<Item = Duration>) -> Self {
        Self(expected.max().unwrap_or_default() / SMALL_RATIO)
    }

    pub(super) fn of(jobs: &[InFlight]) -> Self {
        Self::among(jobs.iter().map(|entry| entry.job.requester.expected))
    }

    /// Size of a request with this expected time.
    pub fn size(self, expected: Duration) -> Size {
        match expected < self.0 {
            true => Size::Small,
            false => Size::Large,
        }
    }
}

impl Lane {
    /// Sizes that this lane serves, in order of preference.
    pub fn sizes(self) -> &'static [Size] {
        match self {
            Self::Main => &[Size::Large, Size::Small],
            Self::Express => &[Size::Small],
        }
    }
}
