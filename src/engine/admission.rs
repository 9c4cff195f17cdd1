//! Admission by cost. A request is admitted with all the work that it may need, or rejected with
//! the time after which to retry. So admitted requests never fail half-way for lack of room, and a
//! request with many inputs is charged for all of them.
//!
//! There are two limits: a fixed one, for memory, and one of time. Completion times are predicted
//! by the scheduling rule (`engine/batcher/turns.rs`): two lanes, equal shares for the keys in each
//! lane, and equal shares for the requests of a key. A request is rejected if it would not complete
//! in time or would make an admitted one late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;

use super::forecast::{Forecast, Load};
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::pace::Pace;
use crate::passes::Requester;

/// Admits requests up to a number of tokens × rows × layers.
pub struct Admission {
    capacity: usize,
    /// Time limit of a request. Estimates may be off, so it should be done in half of it.
    time: Duration,
    /// Seconds per token and layer in recent passes.
    pace: Pace,
    in_flight: Mutex<Vec<InFlight>>,
}

/// Resources that a request needs.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Tokens × rows × layers.
    pub cost: usize,
    /// Expected time on all cores, without other requests.
    pub time: Duration,
    /// Multiply-adds.
    pub work: u64,
    /// The name of its key.
    pub caller: Arc<str>,
}

struct InFlight {
    cost: usize,
    since: Instant,
    requester: Arc<Requester>,
}

/// Holds the admitted cost until dropped.
pub struct Admitted {
    requester: Arc<Requester>,
    admission: Arc<Admission>,
}

/// Pace before the first pass, as (work, seconds): a small model on slow cores.
const PRIOR: (f64, f64) = (20_000., 1.);

/// A request should complete this fraction (1 / n) of its time before its deadline, because rows
/// are served one pass at a time.
const MARGIN: u32 = 10;

impl Admission {
    /// Admits `capacity` tokens × rows × layers, and requests that should complete within half of
    /// `time`, because estimates may be off.
    pub fn new(capacity: usize, time: Duration) -> Self {
        let pace = Pace::starting_with(0.95, PRIOR.0, PRIOR.1);
        Self { capacity, time, pace, in_flight: Mutex::default() }
    }

    /// Admits a request or rejects it: permanently if it can never fit, else with the seconds
    /// after which to retry. If nothing else is in flight, a request is admitted whatever its
    /// expected time.
    pub fn admit(self: &Arc<Self>, demand: Demand) -> Result<Admitted> {
        let Demand { cost, time, work, caller } = demand;
        if cost > self.capacity {
            let detail = format!(
                "the request costs {cost} tokens x rows x layers; at most {} are accepted at once; send \
                 fewer inputs, methods or steps",
                self.capacity
            );
            return Err(Error::new(Code::RequestTooExpensive, detail));
        }
        let mut in_flight = lock(&self.in_flight);
        let requester = Arc::new(Requester::new(caller, time, work));
        let late = self.late(&in_flight, &requester);
        if !late.is_zero() {
            return Err(overloaded(late.as_secs_f64()));
        }
        let missing = (sum(&in_flight) + cost).saturating_sub(self.capacity);
        if missing > 0 {
            return Err(overloaded(self.seconds_for(missing)));
        }
        let since = Instant::now();
        in_flight.push(InFlight { cost, since, requester: Arc::clone(&requester) });
        publish(&in_flight);
        Ok(Admitted { requester, admission: Arc::clone(self) })
    }

    /// By how much the request, or one in flight because of it, would be late; zero if none.
    fn late(&self, in_flight: &[InFlight], new: &Requester) -> Duration {
        if in_flight.is_empty() {
            return Duration::ZERO;
        }
        let all = || in_flight.iter().map(|other| &*other.requester).chain([new]);
        // For its own forecast, count the others in full: what they have already done makes up
        // for what the estimates leave out.
        let in_full: Vec<Load> = all().map(|one| load(one, one.expected)).collect();
        let own = Forecast::of(&in_full).end(&load(new, new.expected));
        let remaining: Vec<Load> = all().map(|one| load(one, one.remaining())).collect();
        let before = Forecast::of(&remaining[..in_flight.len()]);
        let after = Forecast::of(&remaining);
        let limit = self.time - self.time / MARGIN;
        let of_other = |(other, load): (&InFlight, &Load)| {
            let limit = limit.saturating_sub(other.since.elapsed());
            let late = after.end(load).saturating_sub(limit);
            // A request that would be late anyway does not keep others out.
            if before.end(load) > limit { Duration::ZERO } else { late }
        };
        let others = in_flight.iter().zip(&remaining).map(of_other);
        others.fold(own.saturating_sub(self.time / 2), Duration::max)
    }

    /// Maximum tokens × rows × layers in flight.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tokens × rows × layers of the requests in flight.
    pub fn in_flight(&self) -> usize {
        sum(&lock(&self.in_flight))
    }

    /// Records that a pass took `seconds` for this work.
    pub fn note_pass(&self, work: usize, seconds: f64) {
        self.pace.note(work, seconds);
    }

    /// Expected time of the forward passes of this many tokens; a backward pass takes as long
    /// again.
    pub fn time_for(&self, model: &Model, tokens: usize) -> Duration {
        let unknown = || self.seconds_for(model.layers());
        let seconds = model.seconds_per_token().unwrap_or_else(unknown);
        Duration::from_secs_f64(seconds * tokens as f64)
    }

    /// Expected time of all requests in flight together.
    pub fn queue_time(&self) -> Duration {
        lock(&self.in_flight).iter().map(|other| other.requester.remaining()).sum()
    }

    fn seconds_for(&self, work: usize) -> f64 {
        self.pace.seconds_for(work).unwrap_or_default()
    }
}

impl Admitted {
    pub fn requester(&self) -> &Arc<Requester> {
        &self.requester
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.admission.in_flight);
        in_flight.retain(|other| !Arc::ptr_eq(&other.requester, &self.requester));
        publish(&in_flight);
    }
}

fn load(requester: &Requester, remaining: Duration) -> Load<'_> {
    Load { caller: &requester.caller, expected: requester.expected, remaining }
}

fn sum(in_flight: &[InFlight]) -> usize {
    in_flight.iter().map(|other| other.cost).sum()
}

fn publish(in_flight: &[InFlight]) {
    gauge!("explaind_queue_work").set(sum(in_flight) as f64);
    gauge!("explaind_queue_requests").set(in_flight.len() as f64);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a request that should be retried after `seconds`.
fn overloaded(seconds: f64) -> Error {
    let seconds = (seconds.ceil() as u64).clamp(1, 600);
    let detail = format!("too much work is waiting; try again in {seconds} s");
    Error { retry_after: Some(seconds), ..Error::new(Code::Overloaded, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(capacity: usize) -> Arc<Admission> {
        Arc::new(Admission::new(capacity, Duration::from_secs(60)))
    }

    fn cost(cost: usize) -> Demand {
        Demand { cost, time: Duration::ZERO, work: 1, caller: "a".into() }
    }

    fn seconds(seconds: u64, caller: &str) -> Demand {
        Demand { cost: 1, time: Duration::from_secs(seconds), work: 1, caller: caller.into() }
    }

    #[test]
    fn dropping_frees_capacity() {
        let admission = admission(10);
        let held = admission.admit(cost(7)).unwrap();
        assert_eq!(admission.in_flight(), 7);
        let rejected = admission.admit(cost(4)).err().unwrap();
        assert_eq!(rejected.code, Code::Overloaded);
        assert!(rejected.retry_after.is_some_and(|seconds| seconds >= 1));
        drop(held);
        assert!(admission.admit(cost(10)).is_ok());
    }

    #[test]
    fn requests_over_capacity_are_rejected_permanently() {
        let rejected = admission(10).admit(cost(11)).err().unwrap();
        assert_eq!(rejected.code, Code::RequestTooExpensive);
        assert_eq!(rejected.retry_after, None);
    }

    #[test]
    fn requests_that_would_be_late_are_rejected() {
        let admission = admission(1_000);
        // 30 seconds (half of 60) hold three requests of 9 s but not four.
        let mut held: Vec<_> = (0..3).map(|_| admission.admit(seconds(9, "a")).unwrap()).collect();
        assert_eq!(admission.admit(seconds(9, "a")).err().unwrap().code, Code::Overloaded);
        held.pop();
        held.push(admission.admit(seconds(9, "a")).unwrap());
        held.clear();
        let _large = admission.admit(seconds(500, "a")).expect("nothing else is in flight");
        assert!(admission.admit(seconds(10, "a")).is_ok(), "it takes turns with the large one");
        // It would complete after 40 seconds.
        assert_eq!(admission.admit(seconds(20, "a")).err().unwrap().retry_after, Some(10));
    }

    #[test]
    fn requests_that_would_delay_admitted_ones_are_rejected() {
        let admission = admission(1_000);
        let _large = admission.admit(seconds(50, "a")).unwrap();
        let _small: Vec<_> = (0..3).map(|_| admission.admit(seconds(1, "a")).unwrap()).collect();
        // The large one would complete after more than 54 s, but a tenth of its 60 s is margin.
        assert_eq!(admission.admit(seconds(1, "a")).err().unwrap().code, Code::Overloaded);
    }

    #[test]
    fn a_key_with_many_requests_gets_one_share() {
        let admission = admission(1_000);
        let _one_key: Vec<_> = (0..3).map(|_| admission.admit(seconds(9, "a")).unwrap()).collect();
        assert!(admission.admit(seconds(9, "a")).is_err());
        assert!(admission.admit(seconds(9, "b")).is_ok(), "18 seconds");
        assert!(admission.admit(seconds(20, "b")).is_err(), "40 seconds");
    }

    #[test]
    fn retry_after_follows_the_pace() {
        let admission = admission(400_000);
        let _held = admission.admit(cost(400_000)).unwrap();
        let slow = admission.admit(cost(200_000)).err().unwrap().retry_after.unwrap();
        for _ in 0..200 {
            admission.note_pass(200_000, 1.);
        }
        let fast = admission.admit(cost(200_000)).err().unwrap().retry_after.unwrap();
        assert!(slow >= 10 && fast <= 2, "{slow} then {fast}");
    }
}
