//! Limits per key: concurrent requests, and requests per minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::response::Response;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::observed_body::{Observer, observed};
use crate::config::Limits;
use crate::error::{Code, Error, Result};

/// Allowances by key name; only keys that have sent requests have an entry.
#[derive(Clone)]
pub struct Quotas {
    max_concurrent: usize,
    rate: Option<NonZeroU32>,
    callers: Arc<Mutex<HashMap<String, Arc<Allowance>>>>,
}

type Rate = RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Instant>>;

/// The clock of the runtime, which tests can pause.
#[derive(Debug, Clone, Copy)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// What a key may still use.
struct Allowance {
    concurrent: Arc<Semaphore>,
    rate: Option<Rate>,
}

/// Counts a request until its response has been sent.
pub struct Counted(#[allow(dead_code)] OwnedSemaphorePermit); // held, not read

impl Quotas {
    pub fn new(limits: &Limits) -> Self {
        let concurrent = match limits.key_requests {
            0 => Semaphore::MAX_PERMITS,
            some => some,
        };
        let rate = NonZeroU32::new(limits.key_requests_per_minute);
        Self { max_concurrent: concurrent, rate, callers: Arc::default() }
    }

    /// Counts a request of the key `caller`, or fails with the time after which to retry.
    pub fn count(&self, caller: &str) -> Result<Counted> {
        let allowance = self.allowance(caller);
        if let Some(Err(rejected)) = allowance.rate.as_ref().map(Rate::check) {
            let wait = rejected.wait_time_from(RuntimeClock.now());
            let max = self.rate.map_or(0, NonZeroU32::get);
            let detail = format!("this key may send {max} requests per minute");
            return Err(limited(detail, wait.as_secs_f64().ceil() as u64));
        }
        let permit = Arc::clone(&allowance.concurrent).try_acquire_owned();
        permit.map(Counted).map_err(|_| {
            let max = self.max_concurrent;
            limited(format!("this key already has {max} requests in flight, the maximum"), 1)
        })
    }

    fn allowance(&self, caller: &str) -> Arc<Allowance> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(allowance) = callers.get(caller) {
            return Arc::clone(allowance);
        }
        let allowance = Arc::new(Allowance {
            concurrent: Arc::new(Semaphore::new(self.max_concurrent)),
            rate: self.rate.map(rate),
        });
        callers.insert(caller.to_owned(), Arc::clone(&allowance));
        allowance
    }
}

impl Counted {
    /// Counts until the last byte of the response is sent or the client disconnects.
    pub fn until_sent(self, response: Response) -> Response {
        observed(response, self)
    }
}

/// Counts its request while the body exists.
impl Observer for Counted {}

fn rate(max: NonZeroU32) -> Rate {
    RateLimiter::direct_with_clock(Quota::per_minute(max), RuntimeClock)
}

fn limited(detail: String, seconds: u64) -> Error {
    Error { retry_after: Some(seconds.max(1)), ..Error::new(Code::RateLimited, detail) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_have_separate_limits() {
        let limits = Limits { key_requests: 2, key_requests_per_minute: 3, ..Limits::default() };
        let quotas = Quotas::new(&limits);
        let held = [quotas.count("a").ok().unwrap(), quotas.count("a").ok().unwrap()];
        let busy = quotas.count("a").err().unwrap();
        assert_eq!((busy.code, busy.retry_after), (Code::RateLimited, Some(1)));
        drop(held);
        let fast = quotas.count("a").err().unwrap();
        assert_eq!(fast.retry_after, Some(20), "{fast:?}");
        assert!(quotas.count("b").is_ok());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(quotas.count("a").is_ok());
        assert!(quotas.count("a").is_err());
    }
}
