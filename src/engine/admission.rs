//! Admission by cost: a request enters with all the work it may ask for, or is
//! told when to come back. So nothing that was let in fails half-way for lack
//! of room, and one request with many inputs counts as what it is.
//!
//! Two bounds hold: a fixed one, for memory, and one of time. Jobs take turns at
//! the worker, so until a request of cost c is done, each other one has taken
//! min(c, its own cost) beside it. Where that is more than there is time for,
//! the request is refused: else all would be late together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;

use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::pace::Pace;

/// Room for a number of tokens × rows × layers.
pub struct Admission {
    capacity: usize,
    /// A request should be done within this time.
    horizon: Duration,
    /// Of tokens through the layers of recent passes.
    pace: Pace,
    /// The cost of each request in flight.
    costs: Mutex<Vec<usize>>,
}

/// Room held until dropped.
pub struct Admitted {
    cost: usize,
    admission: Arc<Admission>,
}

/// The pace before the first pass: a second's worth of a small model on slow
/// cores.
const PRIOR: (f64, f64) = (20_000., 1.);

impl Admission {
    /// Room for `capacity` tokens × rows × layers, and for requests that should be done
    /// within half of the `time` they have: the estimate may be off.
    pub fn new(capacity: usize, time: Duration) -> Self {
        let pace = Pace::starting_with(0.95, PRIOR.0, PRIOR.1);
        Self { capacity, horizon: time / 2, pace, costs: Mutex::default() }
    }

    /// Takes room for `cost` tokens × rows × layers, or refuses: for ever when it can
    /// never fit, else with the seconds after which there should be room. A
    /// request that finds nothing else in flight is let in whatever its time.
    pub fn admit(self: &Arc<Self>, cost: usize) -> Result<Admitted> {
        if cost > self.capacity {
            let detail = format!(
                "the request costs {cost} tokens x rows x layers and at most {} are taken at once; send \
                 fewer inputs, methods or steps",
                self.capacity
            );
            return Err(Error::new(Code::RequestTooExpensive, detail));
        }
        let mut costs = lock(&self.costs);
        let beside: usize = costs.iter().map(|&other| other.min(cost)).sum();
        let late = self.seconds_for(beside + cost) - self.horizon.as_secs_f64();
        if beside > 0 && late > 0. {
            return Err(overloaded(late));
        }
        let lacking = (costs.iter().sum::<usize>() + cost).saturating_sub(self.capacity);
        if lacking > 0 {
            return Err(overloaded(self.seconds_for(lacking)));
        }
        costs.push(cost);
        publish(&costs);
        Ok(Admitted { cost, admission: Arc::clone(self) })
    }

    /// The most tokens × rows × layers that are taken at once.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tokens × rows × layers of the requests in flight.
    pub fn in_flight(&self) -> usize {
        lock(&self.costs).iter().sum()
    }

    /// Notes a pass of so much work in `seconds`, for the estimates.
    pub fn note_pass(&self, work: usize, seconds: f64) {
        self.pace.note(work, seconds);
    }

    /// Tokens × rows × layers that there is time for, at the pace of recent passes.
    pub fn work_in(&self, time: Duration) -> usize {
        (time.as_secs_f64() / self.seconds_for(1).max(f64::MIN_POSITIVE)) as usize
    }

    /// What so many tokens of forward passes of `model` should take; a walk back is
    /// as much again.
    pub fn time_for(&self, model: &Model, tokens: usize) -> Duration {
        let unknown = || self.seconds_for(model.layers());
        let seconds = model.seconds_per_token().unwrap_or_else(unknown);
        Duration::from_secs_f64(seconds * tokens as f64)
    }

    /// What the work of all requests in flight should take.
    pub fn queue_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds_for(self.in_flight()))
    }

    fn seconds_for(&self, work: usize) -> f64 {
        self.pace.seconds_for(work).unwrap_or_default()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut costs = lock(&self.admission.costs);
        if let Some(place) = costs.iter().position(|&other| other == self.cost) {
            costs.swap_remove(place);
        }
        publish(&costs);
    }
}

fn publish(costs: &[usize]) {
    gauge!("explaind_queue_work").set(costs.iter().sum::<usize>() as f64);
    gauge!("explaind_queue_requests").set(costs.len() as f64);
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

    #[test]
    fn room_is_given_back() {
        let admission = admission(10);
        let held = admission.admit(7).unwrap();
        assert_eq!(admission.in_flight(), 7);
        let refused = admission.admit(4).err().unwrap();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(refused.retry_after.is_some_and(|seconds| seconds >= 1));
        drop(held);
        assert!(admission.admit(10).is_ok());
    }

    #[test]
    fn what_can_never_fit_is_refused_for_good() {
        let refused = admission(10).admit(11).err().unwrap();
        assert_eq!(refused.code, Code::RequestTooExpensive);
        assert_eq!(refused.retry_after, None);
    }

    #[test]
    fn no_more_is_taken_than_can_be_done_in_time() {
        let admission = admission(10_000_000);
        for _ in 0..200 {
            admission.note_pass(100, 0.1);
        }
        // 1,000 tokens a second, 30 seconds: three of 10,000 fit, a fourth does not.
        let mut held: Vec<Admitted> = (0..3).map(|_| admission.admit(9_900).unwrap()).collect();
        assert_eq!(admission.admit(9_900).err().unwrap().code, Code::Overloaded);
        held.pop();
        held.push(admission.admit(9_900).unwrap());
        held.clear();
        let _large = admission.admit(500_000).expect("nothing else is in flight");
        assert!(admission.admit(500).is_ok(), "a small request takes turns with a large one");
        assert_eq!(admission.admit(20_000).err().unwrap().retry_after, Some(10));
    }

    #[test]
    fn the_wait_follows_the_pace() {
        let admission = admission(400_000);
        let _held = admission.admit(400_000).unwrap();
        let slow = admission.admit(200_000).err().unwrap().retry_after.unwrap();
        for _ in 0..200 {
            admission.note_pass(200_000, 1.);
        }
        let fast = admission.admit(200_000).err().unwrap().retry_after.unwrap();
        assert!(slow >= 10 && fast <= 2, "{slow} then {fast}");
    }
}
