//! When requests will be done that share the cores, by the rule that rows are served by
//! (`batcher/turns.rs`).

use std::collections::HashMap;
use std::time::Duration;

use super::batcher::{Border, Size};

/// What one request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub caller: &'a str,
    /// All of it, which its lane follows from.
    pub expected: Duration,
    /// What is left of it.
    pub left: Duration,
}

/// Of requests that are in flight together.
pub struct Forecast<'a> {
    border: Border,
    large: Shares<'a>,
    small: Shares<'a>,
    all: Shares<'a>,
}

impl<'a> Forecast<'a> {
    pub fn of(loads: &[Load<'a>]) -> Self {
        let border = Border::beside(loads.iter().map(|load| load.expected));
        let of_size = |size| loads.iter().filter(move |load| border.size(load.expected) == size);
        Self {
            border,
            large: Shares::of(of_size(Size::Large)),
            small: Shares::of(of_size(Size::Small)),
            all: Shares::of(loads.iter()),
        }
    }

    /// When one of them is done, from now on, at the latest: in lanes as they are now, where
    /// the other lane has half of the cores, or all in one, as it is once the largest are
    /// done.
    pub fn end(&self, load: &Load<'_>) -> Duration {
        let (own, beside) = match self.border.size(load.expected) {
            Size::Large => (&self.large, &self.small),
            Size::Small => (&self.small, &self.large),
        };
        let in_lane = own.end(load);
        (in_lane + in_lane.min(beside.total())).max(self.all.end(load))
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
            by_key.entry(load.caller).or_default().push(load.left);
        }
        Self(by_key.into_iter().map(|(key, times)| (key, Key::of(times))).collect())
    }

    fn total(&self) -> Duration {
        self.0.values().map(Key::total).sum()
    }

    /// When one of them is done: those of its own key take as much beside it as it does, or
    /// what they need, and each other key as much as its own.
    fn end(&self, load: &Load<'_>) -> Duration {
        let of_key = self.0.get(load.caller).map_or(load.left, |key| key.beside(load.left));
        let others = self.0.iter().filter(|(key, _)| **key != load.caller);
        of_key + others.map(|(_, key)| key.total().min(of_key)).sum::<Duration>()
    }
}

/// What the requests of one key take.
struct Key {
    /// The shortest first.
    times: Vec<Duration>,
    /// Of the first none, one, two, …
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

    /// What all of them take until one of `time` among them is done.
    fn beside(&self, time: Duration) -> Duration {
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
        Load { caller, expected: time, left: time }
    }

    /// Seconds until each is done.
    fn ends(loads: &[Load<'_>]) -> Vec<u64> {
        let forecast = Forecast::of(loads);
        loads.iter().map(|load| forecast.end(load).as_secs()).collect()
    }

    #[test]
    fn one_lane() {
        assert_eq!(ends(&[load("a", 5)]), [5]);
        assert_eq!(ends(&[load("a", 4), load("a", 6), load("a", 4)]), [12, 14, 12]);
        // A key with two requests has the share of one.
        assert_eq!(ends(&[load("a", 4), load("a", 4), load("b", 4)]), [12, 12, 8]);
    }

    #[test]
    fn two_lanes() {
        // The small ones have half of the cores, and the large one the other half.
        assert_eq!(ends(&[load("a", 1), load("a", 1), load("a", 20)]), [4, 4, 22]);
    }

    #[test]
    fn what_is_done_is_not_waited_for() {
        let half_done = Load { left: Duration::from_secs(3), ..load("a", 6) };
        assert_eq!(ends(&[half_done, load("a", 6)]), [6, 9]);
    }
}
