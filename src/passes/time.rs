//! How long a request may take.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Error};

/// When work stops by itself, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit {
    /// Methods that can answer from what they have do so now.
    stop: Instant,
    /// Rows that are not back by now are waited for no longer.
    deadline: Instant,
    /// All the time that the request had, for the error message.
    whole: Duration,
}

/// The share of a request's time that is kept at least for what follows the last
/// pass: solving for scores, assembling and sending the answer.
const RESERVE: f64 = 0.15;

/// The share of a request's time that passes always get.
const WORKING: f64 = 0.4;

impl TimeLimit {
    /// `whole` from `start` on. `closing` is what the work after the last pass should
    /// take, as measured; that much and half as much again is kept free, within bounds.
    pub fn new(start: Instant, whole: Duration, closing: Duration) -> Self {
        let reserve = closing.mul_f64(1.5).max(whole.mul_f64(RESERVE));
        let working = whole.saturating_sub(reserve).max(whole.mul_f64(WORKING));
        Self { stop: start + working, deadline: start + whole, whole }
    }

    /// The same, with `share` of the time that is left until the stop.
    pub fn cut_to(self, share: f64) -> Self {
        let now = Instant::now();
        let left = self.stop.saturating_duration_since(now);
        Self { stop: now + left.mul_f64(share), ..self }
    }

    /// For work that the answer can do without: it is given up at the stop.
    pub fn expendable(self) -> Self {
        Self { deadline: self.stop, ..self }
    }

    /// Whether something that takes `needed` should be done before the stop.
    pub fn allows(&self, needed: Duration) -> bool {
        Instant::now() + needed <= self.stop
    }

    /// The output of `work`, or none where the stop comes first.
    pub async fn before_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.stop, work).await.ok()
    }

    /// The output of `work`, or an error where the deadline comes first.
    pub async fn before_deadline<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        timeout_at(self.deadline, work).await.map_err(|_| self.late())
    }

    /// The error of a request that has nothing to answer with in time.
    pub fn late(&self) -> Error {
        let detail = format!("not finished within {} ms", self.whole.as_millis());
        Error::new(Code::DeadlineExceeded, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_reserve_follows_what_closing_takes() {
        let whole = Duration::from_secs(10);
        let limit = |closing| TimeLimit::new(Instant::now(), whole, Duration::from_secs(closing));
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
    async fn what_can_be_done_without_is_given_up_at_the_stop() {
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
