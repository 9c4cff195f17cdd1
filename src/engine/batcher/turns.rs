//! Who is served next. Keys take turns by what they have had, within a key its
//! requests, and within a request its jobs: it is worth nothing to send a piece of
//! work as many inputs, as many methods or as many requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// As long as the request lasts: between two of its jobs, too.
    requests: HashMap<usize, (Weak<Requester>, Arc<Place>)>,
    keys: HashMap<(Size, Arc<str>), Arc<AtomicU64>>,
}

/// A request's place in its lane.
pub struct Place {
    size: Size,
    served: AtomicU64,
    /// Its key's, in this lane.
    of_key: Arc<AtomicU64>,
}

/// The order in which jobs are served; the least is next.
pub type Turn = (u64, u64, u64);

impl Turns {
    /// Forgets who is gone, and gives those a place who have come or whose size is another
    /// than before.
    pub fn settle(&mut self, jobs: &mut [InFlight], border: Border) {
        self.requests.retain(|_, (requester, _)| requester.strong_count() > 0);
        self.keys.retain(|_, served| Arc::strong_count(served) > 1);
        for number in 0..jobs.len() {
            let size = border.size(jobs[number].job.requester.expected);
            if jobs[number].place.as_ref().is_none_or(|place| place.size != size) {
                let place = self.enter(&jobs[number].job.requester, size, jobs);
                jobs[number].place = Some(place);
            }
        }
    }

    fn enter(&mut self, requester: &Arc<Requester>, size: Size, jobs: &[InFlight]) -> Arc<Place> {
        let key = (size, Arc::clone(&requester.caller));
        let of_key = Arc::clone(self.keys.entry(key).or_default());
        let known = self.requests.get(&id(requester)).map(|(_, place)| place);
        let place = match known.filter(|place| place.size == size) {
            Some(place) => Arc::clone(place),
            None => Arc::new(Place { size, served: AtomicU64::new(0), of_key }),
        };
        let in_lane = || jobs.iter().filter_map(|entry| entry.place.as_ref());
        let in_lane = || in_lane().filter(|other| other.size == size);
        let of_key = || in_lane().filter(|other| Arc::ptr_eq(&other.of_key, &place.of_key));
        if of_key().next().is_none() {
            raise(&place.of_key, in_lane().map(|other| &*other.of_key));
        }
        if !of_key().any(|other| Arc::ptr_eq(other, &place)) {
            raise(&place.served, of_key().map(|other| &other.served));
        }
        self.requests.insert(id(requester), (Arc::downgrade(requester), Arc::clone(&place)));
        place
    }
}

/// Puts one that comes back, or is new, level with the least of the others.
fn raise<'a>(served: &AtomicU64, others: impl Iterator<Item = &'a AtomicU64>) {
    served.fetch_max(others.map(load).min().unwrap_or_default(), Ordering::Relaxed);
}

impl InFlight {
    /// Charges rows that are handed out.
    pub fn charge(&mut self, work: u64) {
        self.served += work;
        self.job.requester.charge(work);
        if let Some(place) = &self.place {
            place.served.fetch_add(work, Ordering::Relaxed);
            place.of_key.fetch_add(work, Ordering::Relaxed);
        }
    }

    pub fn turn(&self) -> Turn {
        let of = |place: &Arc<Place>| (load(&place.of_key), load(&place.served), self.served);
        self.place.as_ref().map(of).unwrap_or_default()
    }
}

fn load(served: &AtomicU64) -> u64 {
    served.load(Ordering::Relaxed)
}

/// Where it lies: as long as its place is there, nothing else lies there.
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
