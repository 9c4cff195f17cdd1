//! What goes on on one connection: whether it has requests, since when not, and how its
//! responses are read. All that decides when it must end is found here.

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

/// How long a response may be read more slowly than it must be: networks pause, and the
/// kernel passes on many bytes at a time.
const WINDOW: Duration = Duration::from_secs(30);

/// How long a connection may do what it does.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// To have no request.
    pub idle: Duration,
    /// To send the rest of a request's head.
    pub head: Duration,
}

impl Times {
    pub fn new(limits: &Limits) -> Self {
        Self { idle: limits.idle_time(), head: limits.head_time() }
    }
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    Request,
    Head,
    Reader,
}

/// One connection's state, which changes in the hands of all that serve it.
pub struct Activity {
    state: watch::Sender<State>,
    bytes_per_second: u32,
}

pub struct State {
    /// Those that have no response yet, or one that is not sent.
    requests: HashMap<u64, Unread>,
    /// Of all requests so far.
    count: u64,
    waits: Waits,
    /// Since it waits for that.
    since: Instant,
    /// Heads of HTTP/2 are not told apart from other frames; its connections are idle
    /// while they have no stream, whatever else comes.
    http2: bool,
    leaving: bool,
    last_words: Option<Bytes>,
}

/// What a connection without requests waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    ForRequest,
    ForRestOfHead,
}

/// The part of a response that the connection has, and when some of it must be gone.
struct Unread {
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
            leaving: false,
            last_words: None,
        };
        let bytes_per_second = limits.response_bytes_per_second;
        Self { state: watch::Sender::new(state), bytes_per_second }
    }

    /// Bytes came in.
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

    /// A request has come. It is in flight until what this gives is dropped.
    pub fn begin(self: &Arc<Self>, version: Version) -> InFlight {
        let mut id = 0;
        self.state.send_modify(|state| {
            state.count += 1;
            id = state.count;
            state.http2 = version == Version::HTTP_2;
            state.wait(Waits::ForRequest);
            state.requests.insert(id, Unread { bytes: 0, due: Instant::now() });
        });
        InFlight { activity: Arc::clone(self), id }
    }

    /// Completes when something has taken too long.
    pub async fn overdue(&self, times: Times) -> Overdue {
        let mut changes = self.state.subscribe();
        loop {
            let next = changes.borrow_and_update().next_due(times);
            let when = match next {
                Some((when, what)) if when <= Instant::now() => return what,
                next => next.map(|(when, _)| when),
            };
            // What has become later meanwhile is seen when this is over.
            let due = async {
                match when {
                    Some(when) => sleep_until(when).await,
                    None => pending().await,
                }
            };
            tokio::select! { () = due => {}, _ = changes.changed() => {} }
        }
    }

    /// Completes when it is to give way to another.
    pub async fn told_to_leave(&self) {
        self.until(|state| state.leaving).await;
    }

    /// Completes when it has, or had, a request.
    pub async fn first_request(&self) {
        self.until(|state| state.count > 0).await;
    }

    async fn until(&self, so: impl FnMut(&State) -> bool) {
        // The sender is this, and there.
        let _ = self.state.subscribe().wait_for(so).await;
    }

    /// Whether no byte of a request has ever come.
    pub fn is_new(&self) -> bool {
        let state = self.state.borrow();
        state.count == 0 && state.waits == Waits::ForRequest
    }

    pub fn has_half_a_head(&self) -> bool {
        self.state.borrow().waits == Waits::ForRestOfHead
    }

    /// Since when it has had no request and no part of one.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let idle = state.requests.is_empty() && state.waits == Waits::ForRequest;
        idle.then_some(state.since)
    }

    pub fn is_leaving(&self) -> bool {
        self.state.borrow().leaving
    }

    /// Tells it to give way.
    pub fn leave(&self) {
        self.state.send_modify(|state| state.leaving = true);
    }

    /// Whatever it waits for, it has waited since now.
    pub fn begin_anew(&self) {
        self.state.send_modify(|state| state.since = Instant::now());
    }

    /// What is written instead of reading more.
    pub fn refuse(&self, last_words: Bytes) {
        self.state.send_modify(|state| state.last_words = Some(last_words));
    }

    pub fn last_words(&self) -> Option<Bytes> {
        self.state.borrow().last_words.clone()
    }

    /// What so many bytes may take.
    fn time_of(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_second))
    }

    /// When some of what is handed over now must be gone, at the latest.
    fn latest(&self) -> Instant {
        Instant::now() + WINDOW + self.time_of(PIECE)
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
        let unread = self.requests.values().filter(|unread| unread.bytes > 0);
        unread.map(|unread| (unread.due, Overdue::Reader)).min_by_key(|(due, _)| *due)
    }
}

/// A request in flight.
pub struct InFlight {
    activity: Arc<Activity>,
    id: u64,
}

impl InFlight {
    /// The connection has so many bytes more of the response.
    pub fn handed_over(&self, bytes: usize) {
        self.change(|activity, unread| {
            let first = unread.bytes == 0;
            if first {
                unread.due = activity.latest();
            }
            unread.bytes += bytes;
            first
        });
    }

    /// So many bytes of it have left.
    pub fn sent(&self, bytes: usize) {
        self.change(|activity, unread| {
            unread.bytes -= bytes;
            // Who was fast has nothing saved for later.
            unread.due = (unread.due + activity.time_of(bytes)).min(activity.latest());
            false
        });
    }

    /// Changes the response's part of the state; the connection is woken where that says so.
    fn change(&self, change: impl FnOnce(&Activity, &mut Unread) -> bool) {
        let activity = &*self.activity;
        activity.state.send_if_modified(|state| {
            state.requests.get_mut(&self.id).is_some_and(|unread| change(activity, unread))
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

    /// Whether it is overdue after that time, and with what.
    async fn after(activity: &Activity, time: Duration) -> Option<Overdue> {
        let times = Times { idle: 60 * SECOND, head: 10 * SECOND };
        tokio::time::timeout(time, activity.overdue(times)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_its_times() {
        let activity = activity(1_000);
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        activity.arrived(b"G");
        assert_eq!(after(&activity, 9 * SECOND).await, None);
        activity.arrived(b"ET /");
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Head));
        let request = activity.begin(Version::HTTP_11);
        assert_eq!(after(&activity, 1_000 * SECOND).await, None, "it is at work");
        drop(request);
        assert_eq!(after(&activity, 59 * SECOND).await, None);
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Request));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_no_heads() {
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
    async fn a_reader_keeps_the_pace_over_a_while() {
        let activity = activity(1_000);
        let request = activity.begin(Version::HTTP_11);
        request.handed_over(1 << 20);
        // Faster at first, which saves nothing for later.
        request.sent(500_000);
        for _ in 0..20 {
            assert_eq!(after(&activity, 20 * SECOND).await, None);
            request.sent(20_000);
        }
        let window = WINDOW + activity.time_of(PIECE);
        assert_eq!(after(&activity, window - SECOND).await, None, "a pause");
        assert_eq!(after(&activity, 2 * SECOND).await, Some(Overdue::Reader));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_always_a_little_too_slow_is_found() {
        let activity = activity(1_000);
        let request = activity.begin(Version::HTTP_2);
        let other = activity.begin(Version::HTTP_2);
        request.handed_over(1 << 20);
        let mut seconds = 0;
        while after(&activity, 10 * SECOND).await.is_none() {
            request.sent(5_000);
            // What another stream reads is not its merit.
            other.handed_over(100_000);
            other.sent(100_000);
            seconds += 10;
        }
        assert!((60..300).contains(&seconds), "{seconds}");
    }
}
