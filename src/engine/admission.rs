//! Admission by cost: a request enters with all the work it may ask for, or is
//! told when to come back. So nothing that was let in fails half-way for lack
//! of room, and one request with many inputs counts as what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};

/// Room for a number of tokens × rows.
pub struct Admission {
    room: Arc<Semaphore>,
    capacity: usize,
    /// Tokens a second that recent passes ran.
    rate: AtomicU64,
}

/// Room held until dropped.
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
    admission: Arc<Admission>,
}

/// Before the first pass: slow enough not to promise too much.
const FIRST_RATE: u64 = 2_000;

impl Admission {
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { room: Arc::new(Semaphore::new(capacity)), capacity, rate: FIRST_RATE.into() }
    }

    /// Takes room for `cost` tokens × rows, or refuses: for ever when it can
    /// never fit, else with the seconds after which there should be room.
    pub fn admit(self: &Arc<Self>, cost: usize) -> Result<Admitted> {
        if cost > self.capacity {
            let detail = format!(
                "the request costs {cost} tokens x rows and at most {} are taken at once; send \
                 fewer inputs, methods or steps",
                self.capacity
            );
            return Err(Error::new(Code::RequestTooExpensive, detail));
        }
        match Arc::clone(&self.room).try_acquire_many_owned(cost as u32) {
            Ok(permit) => {
                let admitted = Admitted { _permit: permit, admission: Arc::clone(self) };
                self.publish();
                Ok(admitted)
            }
            Err(_) => Err(self.overloaded(cost)),
        }
    }

    fn overloaded(&self, cost: usize) -> Error {
        let lacking = cost.saturating_sub(self.room.available_permits());
        let seconds = (lacking as u64).div_ceil(self.rate.load(Ordering::Relaxed).max(1));
        let seconds = seconds.clamp(1, 600);
        let detail = format!("the queue is full; try again in {seconds} s");
        Error { retry_after: Some(seconds), ..Error::new(Code::Overloaded, detail) }
    }

    /// Tokens × rows of the requests in flight.
    pub fn in_flight(&self) -> usize {
        self.capacity - self.room.available_permits()
    }

    /// Notes a pass of `tokens` in `seconds`, for the estimate of when to retry.
    pub fn note_pass(&self, tokens: usize, seconds: f64) {
        let now = tokens as f64 / seconds.max(1e-6);
        let before = self.rate.load(Ordering::Relaxed) as f64;
        self.rate.store((before * 0.9 + now * 0.1) as u64, Ordering::Relaxed);
    }

    fn publish(&self) {
        gauge!("explaind_queue_tokens").set(self.in_flight() as f64);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // The permit itself is given back just after; count it as gone.
        let held = self._permit.num_permits();
        let left = self.admission.in_flight().saturating_sub(held);
        gauge!("explaind_queue_tokens").set(left as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let admission = Arc::new(Admission::new(10));
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
        let refused = Arc::new(Admission::new(10)).admit(11).err().unwrap();
        assert_eq!(refused.code, Code::RequestTooExpensive);
        assert_eq!(refused.retry_after, None);
    }

    #[test]
    fn the_wait_follows_the_rate() {
        let admission = Arc::new(Admission::new(100_000));
        let _held = admission.admit(100_000).unwrap();
        let slow = admission.admit(50_000).err().unwrap().retry_after.unwrap();
        for _ in 0..100 {
            admission.note_pass(50_000, 1.);
        }
        let fast = admission.admit(50_000).err().unwrap().retry_after.unwrap();
        assert!(slow > fast && fast <= 2, "{slow} then {fast}");
    }
}
