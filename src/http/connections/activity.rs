//! The state of a connection: its requests, since when it has none, and how fast its responses are
//! read. It determines when a connection must close.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Version;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::pieces::PIECE;
use crate::config::Limits;

/// How long a response may be read more slowly than required. Networks pause, and the kernel sends
/// many bytes at once.
const WINDOW: Duration = Duration::from_secs(30);

/// Time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Without requests.
    pub idle: Duration,
    /// For the rest of a request's head.
    pub head: Duration,
}

impl Times {
    pub fn new(limits: &Limits) -> Self {
        Self { idle: limits.idle_time(), head: limits.head_time() }
    }
}

/// Which time limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    Request,
    Head,
    Reader,
}

/// State of one connection, shared by all that serve it.
pub struct Activity {
    state: watch::Sender<State>,
    bytes_per_second: u32,
}

pub struct State {
    /// Requests without a response, or with a response that is not completely sent.
    requests: HashMap<u64, Buffered>,
    /// Number of requests so far.
    count: u64,
    waits: Waits,
    /// Start of this wait.
    since: Instant,
    /// With HTTP/2, heads cannot be told from other frames, so these connections are idle while
    /// they have no stream, whatever they receive.
    http2: bool,
    evicted: bool,
    final_response: Option<Bytes>,
}

/// What a connection without requests waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    ForRequest,
    ForRestOfHead,
}

/// The bytes of a response that the connection holds, and when the next of them must be sent.
struct Buffered {
    bytes: usize,
    due: Instant,
}

impl Activity {
    pub fn new(limits: &Limits) -> Self {
        let state = State {
            requests: HashMap::new(),
            count: 0,
            waits: Waits::ForRequest,
            since: Instant::now(),
            http2: false,
            evicted: false,
            final_response: None,
        };
        let bytes_per_second = limits.response_bytes_per_second;
        Self { state: watch::Sender::new(state), bytes_per_second }
    }

    /// Records incoming bytes.
    pub fn arrived(&self, bytes: &[u8]) {
        self.state.send_if_modified(|state| {
            state.http2 |= state.count == 0 && bytes.starts_with(b"PRI");
            let begins = state.waits == Waits::ForRequest && state.requests.is_empty();
            if !begins || state.http2 {
                return false;
            }
            state.wait(Waits::ForRestOfHead);
            true
        });
    }

    /// Records a request. It is in flight until the result is dropped.
    pub fn begin(self: &Arc<Self>, version: Version) -> InFlight {
        let mut id = 0;
        self.state.send_modify(|state| {
            state.count += 1;
            id = state.count;
            state.http2 = version == Version::HTTP_2;
            state.wait(Waits::ForRequest);
            state.requests.insert(id, Buffered { bytes: 0, due: Instant::now() });
        });
        InFlight { activity: Arc::clone(self), id }
    }

    /// Completes when a time limit is exceeded.
    pub async fn overdue(&self, times: Times) -> Overdue {
        let mut changes = self.state.subscribe();
        loop {
            let next = changes.borrow_and_update().next_due(times);
            let when = match next {
                Some((when, what)) if when <= Instant::now() => return what,
                next => next.map(|(when, _)| when),
            };
            // If the deadline moves meanwhile, the next iteration sees it.
            let due = async {
                match when {
                    Some(when) => sleep_until(when).await,
                    None => pending().await,
                }
            };
            tokio::select! { () = due => {}, _ = changes.changed() => {} }
        }
    }

    /// Completes when the connection should close for another one.
    pub async fn evicted(&self) {
        self.until(|state| state.evicted).await;
    }

    /// Completes once there has been a request.
    pub async fn first_request(&self) {
        self.until(|state| state.count > 0).await;
    }

    async fn until(&self, condition: impl FnMut(&State) -> bool) {
        // Cannot fail, because `self` holds the sender.
        let _ = self.state.subscribe().wait_for(condition).await;
    }

    /// Whether no byte of a request has arrived yet.
    pub fn is_new(&self) -> bool {
        let state = self.state.borrow();
        state.count == 0 && state.waits == Waits::ForRequest
    }

    pub fn has_partial_head(&self) -> bool {
        self.state.borrow().waits == Waits::ForRestOfHead
    }

    /// Since when there has been no request and no partial head.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let idle = state.requests.is_empty() && state.waits == Waits::ForRequest;
        idle.then_some(state.since)
    }

    pub fn is_evicted(&self) -> bool {
        self.state.borrow().evicted
    }

    /// Asks the connection to close.
    pub fn evict(&self) {
        self.state.send_modify(|state| state.evicted = true);
    }

    /// Restarts the current wait.
    pub fn restart_timer(&self) {
        self.state.send_modify(|state| state.since = Instant::now());
    }

    /// Sets the response to write instead of reading on.
    pub fn respond_and_close(&self, final_response: Bytes) {
        self.state.send_modify(|state| state.final_response = Some(final_response));
    }

    pub fn final_response(&self) -> Option<Bytes> {
        self.state.borrow().final_response.clone()
    }

    /// Time in which this many bytes must be read.
    fn time_for(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_second))
    }

    /// Latest time by which some of the bytes handed over now must be sent.
    fn latest_due(&self) -> Instant {
        Instant::now() + WINDOW + self.time_for(PIECE)
    }
}

impl State {
    fn wait(&mut self, waits: Waits) {
        (self.waits, self.since) = (waits, Instant::now());
    }

    fn next_due(&self, times: Times) -> Option<(Instant, Overdue)> {
        if self.requests.is_empty() {
            return Some(match self.waits {
                Waits::ForRequest => (self.since + times.idle, Overdue::Request),
                Waits::ForRestOfHead => (self.since + times.head, Overdue::Head),
            });
        }
        let buffered = self.requests.values().filter(|buffered| buffered.bytes > 0);
        buffered.map(|buffered| (buffered.due, Overdue::Reader)).min_by_key(|(due, _)| *due)
    }
}

/// A request in flight.
pub struct InFlight {
    activity: Arc<Activity>,
    id: u64,
}

impl InFlight {
    /// Records bytes of the response that the connection has received.
    pub fn handed_over(&self, bytes: usize) {
        self.change(|activity, buffered| {
            let first = buffered.bytes == 0;
            if first {
                buffered.due = activity.latest_due();
            }
            buffered.bytes += bytes;
            first
        });
    }

    /// Records bytes of the response that were sent.
    pub fn sent(&self, bytes: usize) {
        self.change(|activity, buffered| {
            buffered.bytes -= bytes;
            // Reading faster earlier gives no credit for later.
            buffered.due = (buffered.due + activity.time_for(bytes)).min(activity.latest_due());
            false
        });
    }

    /// Changes the response's state; wakes the connection if `change` returns true.
    fn change(&self, change: impl FnOnce(&Activity, &mut Buffered) -> bool) {
        let activity = &*self.activity;
        activity.state.send_if_modified(|state| {
            state.requests.get_mut(&self.id).is_some_and(|buffered| change(activity, buffered))
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.state.send_modify(|state| {
            state.requests.remove(&self.id);
            state.wait(Waits::ForRequest);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn activity(bytes_per_second: u32) -> Arc<Activity> {
        let limits = Limits { response_bytes_per_second: bytes_per_second, ..Limits::default() };
        Arc::new(Activity::new(&limits))
    }

    /// Waits for this time; returns what became overdue.
    async fn after(activity: &Activity, time: Duration) -> Option<Overdue> {
        let times = Times { idle: 60 * SECOND, head: 10 * SECOND };
        tokio::time::timeout(time, activity.overdue(times)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn idle_and_partial_head_time_out() {
        let activity = activity(1_000);
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        activity.arrived(b"G");
        assert_eq!(after(&activity, 9 * SECOND).await, None);
        activity.arrived(b"ET /");
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Head));
        let request = activity.begin(Version::HTTP_11);
        assert_eq!(after(&activity, 1_000 * SECOND).await, None, "a request is in flight");
        drop(request);
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Request));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_do_not_count_as_heads() {
        let activity = activity(1_000);
        activity.arrived(b"PRI * HTTP/2.0\r\n");
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        drop(activity.begin(Version::HTTP_2));
        activity.arrived(b"\0\0\x08\x06");
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        activity.arrived(b"\0\0\x08\x06");
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Request));
    }

    #[tokio::test(start_paused = true)]
    async fn readers_may_pause_but_must_keep_up() {
        let activity = activity(1_000);
        let request = activity.begin(Version::HTTP_11);
        request.handed_over(1 << 20);
        // Reading faster at first gives no credit for later.
        request.sent(500_000);
        for _ in 0..20 {
            assert_eq!(after(&activity, 20 * SECOND).await, None);
            request.sent(20_000);
        }
        let window = WINDOW + activity.time_for(PIECE);
        assert_eq!(after(&activity, window - SECOND).await, None, "a pause");
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Reader));
    }

    #[tokio::test(start_paused = true)]
    async fn readers_that_are_slightly_too_slow_are_detected() {
        let activity = activity(1_000);
        let request = activity.begin(Version::HTTP_2);
        let other = activity.begin(Version::HTTP_2);
        request.handed_over(1 << 20);
        let mut seconds = 0;
        while after(&activity, 10 * SECOND).await.is_none() {
            request.sent(5_000);
            // Reading another stream does not help.
            other.handed_over(100_000);
            other.sent(100_000);
            seconds += 10;
        }
        assert!((60..300).contains(&seconds), "{seconds}");
    }
}
