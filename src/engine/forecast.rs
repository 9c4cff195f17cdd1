//! Predicts when concurrent requests complete, by the scheduling rule of `batcher/turns.rs`.

use std::collections::HashMap;
use std::time::Duration;

use super::batcher::{Size, SizeThreshold};

/// Expected time of one request.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub caller: &'a str,
    /// Total time; determines the lane.
    pub expected: Duration,
    /// Time that is not done yet.
    pub remaining: Duration,
}

/// Forecast for requests that are in flight together.
pub struct Forecast<'a> {
    threshold: SizeThreshold,
    large: Shares<'a>,
    small: Shares<'a>,
    all: Shares<'a>,
}

impl<'a> Forecast<'a> {
    pub fn of(loads: &[Load<'a>]) -> Self {
        let threshold = SizeThreshold::among(loads.iter().map(|load| load.expected));
        let of_size = |size| loads.iter().filter(move |load| threshold.size(load.expected) == size);
        Self {
            threshold,
            large: Shares::of(of_size(Size::Large)),
            small: Shares::of(of_size(Size::Small)),
            all: Shares::of(loads.iter()),
        }
    }

    /// Returns an upper bound of the time until a request completes: the larger of the times with
    /// the current lanes, where the other lane has half of the cores, and with all requests in one
    /// lane, as after the largest are done.
    pub fn end(&self, load: &Load<'_>) -> Duration {
        let (own, other) = match self.threshold.size(load.expected) {
            Size::Large => (&self.large, &self.small),
            Size::Small => (&self.small, &self.large),
        };
        let in_lane = own.end(load);
        (in_lane + in_lane.min(other.total())).max(self.all.end(load))
    }
}

/// Requests that share the same cores, by key.
struct Shares<'a>(HashMap<&'a str, Key>);

impl<'a> Shares<'a> {
    fn of<'b>(loads: impl Iterator<Item = &'b Load<'a>>) -> Self
    where
        'a: 'b,
    {
        let mut by_key: HashMap<&str, Vec<Duration>> = HashMap::new();
        for load in loads {
            by_key.entry(load.caller).or_default().push(load.remaining);
        }
        Self(by_key.into_iter().map(|(key, times)| (key, Key::of(times))).collect())
    }

    fn total(&self) -> Duration {
        self.0.values().map(Key::total).sum()
    }

    /// Returns when one request completes. Until then, the other requests of its key take at most
    /// as long as it does each, and every other key at most as long as its own key.
    fn end(&self, load: &Load<'_>) -> Duration {
        let of_key =
            self.0.get(load.caller).map_or(load.remaining, |key| key.time_until(load.remaining));
        let others = self.0.iter().filter(|(key, _)| **key != load.caller);
        of_key + others.map(|(_, key)| key.total().min(of_key)).sum::<Duration>()
    }
}

/// Times of the requests of one key.
struct Key {
    /// Ascending.
    times: Vec<Duration>,
    /// Sums of the first 0, 1, 2, … times.
    sums: Vec<Duration>,
}

impl Key {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let mut sums = vec![Duration::ZERO];
        sums.extend(times.iter().scan(Duration::ZERO, |sum, time| {
            *sum += *time;
            Some(*sum)
        }));
        Self { times, sums }
    }

    fn total(&self) -> Duration {
        self.sums.last().copied().unwrap_or_default()
    }

    /// Time that the requests of this key use until one that takes `time` is done.
    fn time_until(&self, time: Duration) -> Duration {
        let shorter = self.times.partition_point(|other| *other <= time);
        let longer = u32::try_from(self.times.len() - shorter).unwrap_or(u32::MAX);
        self.sums[shorter] + time * longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(caller: &str, seconds: u64) -> Load<'_> {
        let time = Duration::from_secs(seconds);
        Load { caller, expected: time, remaining: time }
    }

    /// Seconds until each request completes.
    fn ends(loads: &[Load<'_>]) -> Vec<u64> {
        let forecast = Forecast::of(loads);
        loads.iter().map(|load| forecast.end(load).as_secs()).collect()
    }

    #[test]
    fn one_lane() {
        assert_eq!(ends(&[load("a", 5)]), [5]);
        assert_eq!(ends(&[load("a", 4), load("a", 6), load("a", 4)]), [12, 14, 12]);
        // A key with two requests gets the same share as a key with one.
        assert_eq!(ends(&[load("a", 4), load("a", 4), load("b", 4)]), [12, 12, 8]);
    }

    #[test]
    fn two_lanes() {
        // The small requests have half of the cores, and the large one the other half.
        assert_eq!(ends(&[load("a", 1), load("a", 1), load("a", 20)]), [4, 4, 22]);
    }

    #[test]
    fn work_that_is_done_does_not_count() {
        let half_done = Load { remaining: Duration::from_secs(3), ..load("a", 6) };
        assert_eq!(ends(&[half_done, load("a", 6)]), [6, 9]);
    }
}
