//! Time limits of requests.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{Code, Error};

/// When work stops by itself, and when it is abandoned.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit {
    /// From now on, methods return what they have if they can.
    stop: Instant,
    /// From now on, pending rows are abandoned.
    deadline: Instant,
    /// Total time of the request, for the error message.
    total: Duration,
}

/// Minimum share of a request's time for what follows the last pass: solving for scores, assembling
/// and sending the response.
const RESERVE: f64 = 0.15;

/// Minimum share of a request's time for passes.
const WORKING: f64 = 0.4;

impl TimeLimit {
    /// Creates a limit of `total` from `start` on. One and a half times `closing`, the measured
    /// time of the work after the last pass, is reserved, within bounds.
    pub fn new(start: Instant, total: Duration, closing: Duration) -> Self {
        let reserve = closing.mul_f64(1.5).max(total.mul_f64(RESERVE));
        let working = total.saturating_sub(reserve).max(total.mul_f64(WORKING));
        Self { stop: start + working, deadline: start + total, total }
    }

    /// Returns a limit with `share` of the remaining time until the stop.
    pub fn cut_to(self, share: f64) -> Self {
        let now = Instant::now();
        let remaining = self.stop.saturating_duration_since(now);
        Self { stop: now + remaining.mul_f64(share), ..self }
    }

    /// Returns a limit for optional work, which is abandoned at the stop.
    pub fn expendable(self) -> Self {
        Self { deadline: self.stop, ..self }
    }

    /// Returns whether work that takes `needed` should be done before the stop.
    pub fn allows(&self, needed: Duration) -> bool {
        Instant::now() + needed <= self.stop
    }

    /// Returns the output of `work`, or `None` if the stop comes first.
    pub async fn before_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        before(self.stop, work).await
    }

    /// Returns the output of `work`, or an error if the deadline comes first.
    pub async fn before_deadline<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        before(self.deadline, work).await.ok_or_else(|| self.late())
    }

    /// Returns the time until the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Completes at the deadline.
    pub async fn deadline(&self) {
        sleep_until(self.deadline).await;
    }

    /// Returns the error of a request that ran out of time.
    pub fn late(&self) -> Error {
        let detail = format!("not finished within {} ms", self.total.as_millis());
        Error::new(Code::DeadlineExceeded, detail)
    }
}

/// Returns the output of `work` if it is finished before `end`. After `end`, work does not begin: its
/// output could be there before the timer fires.
async fn before<T>(end: Instant, work: impl Future<Output = T>) -> Option<T> {
    if Instant::now() >= end {
        return None;
    }
    timeout_at(end, work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_reserve_follows_the_closing_time() {
        let total = Duration::from_secs(10);
        let limit = |closing| TimeLimit::new(Instant::now(), total, Duration::from_secs(closing));
        let stops_after = |limit: TimeLimit, seconds: f64| {
            let just = Duration::from_secs_f64(seconds);
            limit.allows(just) && !limit.allows(just + Duration::from_millis(1))
        };
        assert!(stops_after(limit(0), 8.5), "15 % at least");
        assert!(stops_after(limit(2), 7.));
        assert!(stops_after(limit(60), 4.), "work has 40 % at least");
        assert!(stops_after(limit(0).cut_to(0.5), 4.25));
    }

    #[tokio::test(start_paused = true)]
    async fn optional_work_is_abandoned_at_the_stop() {
        let limit = TimeLimit::new(Instant::now(), Duration::from_secs(10), Duration::ZERO);
        let nine = || tokio::time::sleep(Duration::from_secs(9));
        assert!(limit.before_stop(nine()).await.is_none());
        let limit = TimeLimit::new(Instant::now(), Duration::from_secs(10), Duration::ZERO);
        assert!(limit.before_deadline(nine()).await.is_ok());
        let limit = TimeLimit::new(Instant::now(), Duration::from_secs(10), Duration::ZERO);
        let late = limit.expendable().before_deadline(nine()).await.unwrap_err();
        assert_eq!(late.code, Code::DeadlineExceeded);
        assert!(late.detail.contains("10000 ms"));
    }
}
