//! How much each key may ask for: requests at a time, and requests a minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::error::{Code, Error, Result};

/// The allowance of every key, by its name; there are as many as keys that asked.
#[derive(Clone)]
pub struct Quotas {
    requests_at_a_time: usize,
    rate: Option<NonZeroU32>,
    callers: Arc<Mutex<HashMap<String, Arc<Allowance>>>>,
}

type Rate = RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Instant>>;

/// The runtime's clock, which tests can stop.
#[derive(Debug, Clone, Copy)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// What one key has left.
struct Allowance {
    at_a_time: Arc<Semaphore>,
    rate: Option<Rate>,
}

/// A request that counts, until its answer has been sent.
pub struct Counted(#[allow(dead_code)] OwnedSemaphorePermit); // held, not read

impl Quotas {
    pub fn new(limits: &Limits) -> Self {
        let at_a_time = match limits.key_requests {
            0 => Semaphore::MAX_PERMITS,
            some => some,
        };
        let rate = NonZeroU32::new(limits.key_requests_per_minute);
        Self { requests_at_a_time: at_a_time, rate, callers: Arc::default() }
    }

    /// Counts a request of the key called `caller`, or says when to come again.
    pub fn count(&self, caller: &str) -> Result<Counted> {
        let allowance = self.allowance(caller);
        if let Some(Err(refused)) = allowance.rate.as_ref().map(Rate::check) {
            let wait = refused.wait_time_from(RuntimeClock.now());
            let most = self.rate.map_or(0, NonZeroU32::get);
            let detail = format!("this key may send {most} requests a minute");
            return Err(limited(detail, wait.as_secs_f64().ceil() as u64));
        }
        let permit = Arc::clone(&allowance.at_a_time).try_acquire_owned();
        permit.map(Counted).map_err(|_| {
            let most = self.requests_at_a_time;
            limited(format!("this key may have {most} requests in flight, and has"), 1)
        })
    }

    fn allowance(&self, caller: &str) -> Arc<Allowance> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(allowance) = callers.get(caller) {
            return Arc::clone(allowance);
        }
        let allowance = Arc::new(Allowance {
            at_a_time: Arc::new(Semaphore::new(self.requests_at_a_time)),
            rate: self.rate.map(rate),
        });
        callers.insert(caller.to_owned(), Arc::clone(&allowance));
        allowance
    }
}

impl Counted {
    /// Counts until the last byte of the answer, or until the caller leaves.
    pub fn until_sent(self, response: Response) -> Response {
        response.map(|body| Body::new(Held { body, _counted: self }))
    }
}

/// A body as it was, its length included, that counts while it is there.
struct Held {
    body: Body,
    _counted: Counted,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn rate(most: NonZeroU32) -> Rate {
    RateLimiter::direct_with_clock(Quota::per_minute(most), RuntimeClock)
}

fn limited(detail: String, seconds: u64) -> Error {
    Error { retry_after: Some(seconds.max(1)), ..Error::new(Code::RateLimited, detail) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own() {
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
