//! Admission by cost: a request enters with all the work it may ask for, or is
//! told when to come back. So nothing that was let in fails half-way for lack
//! of room, and one request with many inputs counts as what it is.
//!
//! Two bounds hold: a fixed one, for memory, and one of time. The time is predicted
//! by the rule that rows are served by (`engine/batcher/turns.rs`): two lanes, in each
//! of them keys with equal shares, and within a key its requests. A request that would
//! not be done in time, or would make one late that was let in before, is refused:
//! else all would be late together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;

use super::forecast::{Forecast, Load};
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::pace::Pace;
use crate::passes::Requester;

/// Room for a number of tokens × rows × layers.
pub struct Admission {
    capacity: usize,
    /// What a request has. It should be done within half of it: the estimate may be off.
    time: Duration,
    /// Of tokens through the layers of recent passes.
    pace: Pace,
    in_flight: Mutex<Vec<InFlight>>,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Tokens × rows × layers.
    pub cost: usize,
    /// On all cores, with nothing beside it.
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

/// Room held until dropped.
pub struct Admitted {
    requester: Arc<Requester>,
    admission: Arc<Admission>,
}

/// The pace before the first pass: a second's worth of a small model on slow
/// cores.
const PRIOR: (f64, f64) = (20_000., 1.);

/// The part of its time that a request should be done before its end by: rows are served a
/// pass at a time.
const MARGIN: u32 = 10;

impl Admission {
    /// Room for `capacity` tokens × rows × layers, and for requests that should be done
    /// within half of the `time` they have: the estimate may be off.
    pub fn new(capacity: usize, time: Duration) -> Self {
        let pace = Pace::starting_with(0.95, PRIOR.0, PRIOR.1);
        Self { capacity, time, pace, in_flight: Mutex::default() }
    }

    /// Takes room for a request, or refuses: for ever when it can never fit, else with
    /// the seconds after which there should be room. A request that finds nothing else
    /// in flight is let in whatever its time.
    pub fn admit(self: &Arc<Self>, demand: Demand) -> Result<Admitted> {
        let Demand { cost, time, work, caller } = demand;
        if cost > self.capacity {
            let detail = format!(
                "the request costs {cost} tokens x rows x layers and at most {} are taken at once; send \
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
        let lacking = (sum(&in_flight) + cost).saturating_sub(self.capacity);
        if lacking > 0 {
            return Err(overloaded(self.seconds_for(lacking)));
        }
        let since = Instant::now();
        in_flight.push(InFlight { cost, since, requester: Arc::clone(&requester) });
        publish(&in_flight);
        Ok(Admitted { requester, admission: Arc::clone(self) })
    }

    /// How much too late a request would be done, or one in flight for its sake; nothing
    /// where there is none.
    fn late(&self, in_flight: &[InFlight], new: &Requester) -> Duration {
        if in_flight.is_empty() {
            return Duration::ZERO;
        }
        let all = || in_flight.iter().map(|other| &*other.requester).chain([new]);
        // Of those before it, what they asked for: that some of it is done already makes up
        // for what the estimates leave out.
        let asked: Vec<Load> = all().map(|one| load(one, one.expected)).collect();
        let own = Forecast::of(&asked).end(&load(new, new.expected));
        let left: Vec<Load> = all().map(|one| load(one, one.remaining())).collect();
        let (before, after) = (Forecast::of(&left[..in_flight.len()]), Forecast::of(&left));
        let limit = self.time - self.time / MARGIN;
        let of_other = |(other, load): (&InFlight, &Load)| {
            let limit = limit.saturating_sub(other.since.elapsed());
            let late = after.end(load).saturating_sub(limit);
            // One that is late whatever comes keeps nobody out.
            if before.end(load) > limit { Duration::ZERO } else { late }
        };
        let others = in_flight.iter().zip(&left).map(of_other);
        others.fold(own.saturating_sub(self.time / 2), Duration::max)
    }

    /// The most tokens × rows × layers that are taken at once.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tokens × rows × layers of the requests in flight.
    pub fn in_flight(&self) -> usize {
        sum(&lock(&self.in_flight))
    }

    /// Notes a pass of so much work in `seconds`, for the estimates.
    pub fn note_pass(&self, work: usize, seconds: f64) {
        self.pace.note(work, seconds);
    }

    /// What so many tokens of forward passes of `model` should take; a walk back is
    /// as much again.
    pub fn time_for(&self, model: &Model, tokens: usize) -> Duration {
        let unknown = || self.seconds_for(model.layers());
        let seconds = model.seconds_per_token().unwrap_or_else(unknown);
        Duration::from_secs_f64(seconds * tokens as f64)
    }

    /// What all requests in flight should take together.
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

fn load(requester: &Requester, left: Duration) -> Load<'_> {
    Load { caller: &requester.caller, expected: requester.expected, left }
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

/// Refused for now: there should be room in `seconds`.
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
    fn room_is_given_back() {
        let admission = admission(10);
        let held = admission.admit(cost(7)).unwrap();
        assert_eq!(admission.in_flight(), 7);
        let refused = admission.admit(cost(4)).err().unwrap();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(refused.retry_after.is_some_and(|seconds| seconds >= 1));
        drop(held);
        assert!(admission.admit(cost(10)).is_ok());
    }

    #[test]
    fn what_can_never_fit_is_refused_for_good() {
        let refused = admission(10).admit(cost(11)).err().unwrap();
        assert_eq!(refused.code, Code::RequestTooExpensive);
        assert_eq!(refused.retry_after, None);
    }

    #[test]
    fn no_more_is_taken_than_can_be_done_in_time() {
        let admission = admission(1_000);
        // Half of 60 seconds: three of 9 fit, a fourth does not.
        let mut held: Vec<_> = (0..3).map(|_| admission.admit(seconds(9, "a")).unwrap()).collect();
        assert_eq!(admission.admit(seconds(9, "a")).err().unwrap().code, Code::Overloaded);
        held.pop();
        held.push(admission.admit(seconds(9, "a")).unwrap());
        held.clear();
        let _large = admission.admit(seconds(500, "a")).expect("nothing else is in flight");
        assert!(admission.admit(seconds(10, "a")).is_ok(), "it takes turns with the large one");
        // Done after 40 seconds.
        assert_eq!(admission.admit(seconds(20, "a")).err().unwrap().retry_after, Some(10));
    }

    #[test]
    fn nothing_that_was_let_in_becomes_late() {
        let admission = admission(1_000);
        let _large = admission.admit(seconds(50, "a")).unwrap();
        let _small: Vec<_> = (0..3).map(|_| admission.admit(seconds(1, "a")).unwrap()).collect();
        // The large one would be done after more than 54 seconds, and of 60 a tenth is kept free.
        assert_eq!(admission.admit(seconds(1, "a")).err().unwrap().code, Code::Overloaded);
    }

    #[test]
    fn a_key_with_many_requests_has_no_more_than_its_share() {
        let admission = admission(1_000);
        let _one_key: Vec<_> = (0..3).map(|_| admission.admit(seconds(9, "a")).unwrap()).collect();
        assert!(admission.admit(seconds(9, "a")).is_err());
        assert!(admission.admit(seconds(9, "b")).is_ok(), "18 seconds");
        assert!(admission.admit(seconds(20, "b")).is_err(), "40 seconds");
    }

    #[test]
    fn the_wait_follows_the_pace() {
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
