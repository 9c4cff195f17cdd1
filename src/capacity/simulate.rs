//! A simulation of replicas behind a balancer, with Poisson arrivals.
//!
//! A replica divides its cores equally between the requests that it has (processor sharing), as the
//! scheduler does for requests of one key. It refuses a request that would take more than half of the
//! time limit at that rate, as admission does. Besides its share of the cores, a request takes the
//! time that it takes alone and does not keep all cores busy.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::random::Generator;

/// Number of requests per replica, and the least and the most together. The first tenth warms up.
const PER_REPLICA: usize = 400;
const REQUESTS: (usize, usize) = (40_000, 400_000);

/// How requests are assigned to replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Balancer {
    /// At random, as kube-proxy does.
    Random,
    /// The one with fewer requests of two random ones, as Envoy does with LEAST_REQUEST.
    LeastRequest,
}

/// What arrives.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Requests per second.
    pub rate: f64,
    /// Seconds of requests alone.
    pub alone: &'a [f64],
    /// Seconds of all cores that a request takes on average while others keep them busy.
    pub work: f64,
    /// The service's time limit in seconds.
    pub limit: f64,
    pub balancer: Balancer,
    pub seed: u64,
}

impl Load<'_> {
    /// The number of replicas that would be busy all of the time.
    pub fn busy_replicas(&self) -> f64 {
        self.rate * self.work
    }

    /// Draws a request: the seconds of all cores, and those besides.
    fn draw(&self, generator: &mut Generator) -> (f64, f64) {
        let mean = self.alone.iter().sum::<f64>() / self.alone.len() as f64;
        let alone = self.alone[generator.below(self.alone.len())];
        let work = alone * self.work / mean;
        (work, (alone - work).max(0.))
    }
}

/// How a number of replicas fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulated {
    pub replicas: usize,
    /// Share of the time in which a replica has requests.
    pub busy: f64,
    /// Seconds from arrival to answer.
    pub median: f64,
    pub p99: f64,
    /// Share of the requests that are refused.
    pub refused: f64,
    /// The most requests that a replica had at a time.
    pub most: usize,
}

impl Simulated {
    /// Whether nothing is refused and the 99th percentile is at most `seconds`.
    pub fn suffices(&self, seconds: f64) -> bool {
        self.refused == 0. && self.p99 <= seconds
    }
}

/// Seconds as an integer, which can be ordered.
type Nanoseconds = u64;

fn nanoseconds(seconds: f64) -> Nanoseconds {
    (seconds * 1e9) as u64
}

/// A request in a replica.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    /// The work that each request of the replica will have got when this one is done.
    end: Nanoseconds,
    arrived: Nanoseconds,
    besides: Nanoseconds,
}

#[derive(Default)]
struct Replica {
    /// Work that each request has got so far, had it been there from the beginning.
    served: Nanoseconds,
    /// When `served` was true.
    at: Nanoseconds,
    busy: Nanoseconds,
    requests: BinaryHeap<Reverse<Request>>,
    most: usize,
}

impl Replica {
    /// Serves until `now`, and returns the requests that are done with their seconds.
    fn serve(&mut self, now: Nanoseconds, mut done: impl FnMut(Request, f64)) {
        while let Some(Reverse(next)) = self.requests.peek().copied() {
            let sharing = self.requests.len() as u64;
            let until = self.at + (next.end - self.served) * sharing;
            if until > now {
                break;
            }
            self.busy += until - self.at;
            (self.served, self.at) = (next.end, until);
            self.requests.pop();
            done(next, (until - next.arrived + next.besides) as f64 / 1e9);
        }
        if let Some(sharing) = std::num::NonZero::new(self.requests.len() as u64) {
            self.busy += now - self.at;
            self.served += (now - self.at) / sharing;
        }
        self.at = now;
    }

    /// Whether a request of `work` would be done within `limit` with those that are here.
    fn has_time_for(&self, work: Nanoseconds, limit: Nanoseconds) -> bool {
        let own = work * (self.requests.len() as u64 + 1);
        if own <= limit {
            return true;
        }
        let until_done = |request: &Reverse<Request>| (request.0.end - self.served).min(work);
        work + self.requests.iter().map(until_done).sum::<u64>() <= limit
    }
}

/// Simulates `replicas` under a load.
pub fn simulate(load: &Load<'_>, replicas: usize) -> Simulated {
    let count = (replicas * PER_REPLICA).clamp(REQUESTS.0, REQUESTS.1);
    let mut fleet = Fleet::new(load, replicas);
    (0..count / 10).for_each(|_| fleet.arrive());
    fleet.begin_to_count();
    (count / 10..count).for_each(|_| fleet.arrive());
    fleet.counted()
}

/// The replicas, and what has been counted.
struct Fleet<'a> {
    load: &'a Load<'a>,
    generator: Generator,
    replicas: Vec<Replica>,
    /// Seconds.
    now: f64,
    counted_from: Nanoseconds,
    /// Seconds in which replicas were busy before.
    busy_before: Nanoseconds,
    /// Seconds of the requests that have arrived since.
    times: Vec<f64>,
    arrived: usize,
    refused: usize,
}

impl<'a> Fleet<'a> {
    fn new(load: &'a Load<'a>, replicas: usize) -> Self {
        Self {
            load,
            generator: Generator::stream(load.seed, replicas as u64),
            replicas: (0..replicas).map(|_| Replica::default()).collect(),
            now: 0.,
            counted_from: 0,
            busy_before: 0,
            times: Vec::new(),
            arrived: 0,
            refused: 0,
        }
    }

    /// Serves what a replica has until `now`.
    fn serve(&mut self, replica: usize, now: Nanoseconds) {
        let Self { replicas, times, counted_from, .. } = self;
        replicas[replica].serve(now, |request, seconds| {
            if request.arrived > *counted_from {
                times.push(seconds);
            }
        });
    }

    fn serve_all(&mut self, now: Nanoseconds) {
        (0..self.replicas.len()).for_each(|replica| self.serve(replica, now));
    }

    fn busy(&self) -> Nanoseconds {
        self.replicas.iter().map(|replica| replica.busy).sum()
    }

    /// Returns the replica for the next request.
    fn choose(&mut self, now: Nanoseconds) -> usize {
        let first = self.generator.below(self.replicas.len());
        let chosen = match self.load.balancer {
            Balancer::Random => first,
            Balancer::LeastRequest => {
                let second = self.generator.below(self.replicas.len());
                [first, second].into_iter().for_each(|replica| self.serve(replica, now));
                let requests = |replica: usize| self.replicas[replica].requests.len();
                if requests(second) < requests(first) { second } else { first }
            }
        };
        self.serve(chosen, now);
        chosen
    }

    fn arrive(&mut self) {
        self.now += -(1. - self.generator.uniform()).ln() / self.load.rate;
        let arrived = nanoseconds(self.now);
        let chosen = self.choose(arrived);
        let (work, besides) = self.load.draw(&mut self.generator);
        let (work, besides) = (nanoseconds(work), nanoseconds(besides));
        self.arrived += 1;
        let replica = &mut self.replicas[chosen];
        if replica.has_time_for(work, nanoseconds(self.load.limit / 2.)) {
            let end = replica.served + work;
            replica.requests.push(Reverse(Request { end, arrived, besides }));
            replica.most = replica.most.max(replica.requests.len());
        } else {
            self.refused += 1;
        }
    }

    fn begin_to_count(&mut self) {
        self.counted_from = nanoseconds(self.now);
        self.serve_all(self.counted_from);
        self.busy_before = self.busy();
        (self.arrived, self.refused) = (0, 0);
        self.times.clear();
    }

    fn counted(mut self) -> Simulated {
        let end = nanoseconds(self.now);
        self.serve_all(end);
        let busy = (self.busy() - self.busy_before) as f64;
        // Those that have arrived are counted to their end.
        self.serve_all(Nanoseconds::MAX / 2);
        self.times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * self.times.len() as f64) as usize;
            self.times.get(index).copied().unwrap_or_default()
        };
        let replicas = self.replicas.len();
        Simulated {
            replicas,
            busy: busy / ((end - self.counted_from).max(1) as f64 * replicas as f64),
            median: at(0.5),
            p99: at(0.99),
            refused: self.refused as f64 / self.arrived as f64,
            most: self.replicas.iter().map(|replica| replica.most).max().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: f64, alone: &[f64]) -> Load<'_> {
        let work = alone.iter().sum::<f64>() / alone.len() as f64;
        Load { rate, alone, work, limit: 60., balancer: Balancer::Random, seed: 0 }
    }

    /// In a queue with processor sharing and Poisson arrivals, the mean time of a request of work s
    /// is `s / (1 - ρ)`, whatever the distribution of work (Kleinrock 1976, section 4.4).
    #[test]
    fn a_request_takes_its_work_over_the_idle_share() {
        for (rate, expected) in [(20., 0.01 / 0.8), (50., 0.01 / 0.5), (80., 0.01 / 0.2)] {
            let replica = simulate(&load(rate, &[0.01]), 1);
            assert!((replica.busy - rate * 0.01).abs() < 0.02, "{replica:?}");
            assert_eq!(replica.refused, 0.);
            // The median of equal requests lies below the mean.
            assert!(replica.median < expected && replica.median >= 0.01, "{replica:?}");
            assert!(replica.p99 > expected);
        }
    }

    #[test]
    fn what_a_request_does_not_share_is_added() {
        let alone = [0.02];
        let half = Load { work: 0.01, ..load(1., &alone) };
        let replica = simulate(&half, 1);
        assert!((replica.median - 0.02).abs() < 1e-6, "{replica:?}");
        assert!((replica.busy - 0.01).abs() < 0.001);
    }

    #[test]
    fn many_replicas_at_random_fare_like_one_and_choosing_the_emptier_is_better() {
        let alone = [0.005, 0.01, 0.03];
        let one = simulate(&load(40., &alone), 1);
        let many = simulate(&load(40_000., &alone), 1_000);
        assert!((one.busy - many.busy).abs() < 0.02, "{one:?} {many:?}");
        assert!((one.p99 / many.p99 - 1.).abs() < 0.15, "{one:?} {many:?}");
        let chosen = Load { balancer: Balancer::LeastRequest, ..load(40_000., &alone) };
        assert!(simulate(&chosen, 1_000).p99 < 0.7 * many.p99);
    }

    #[test]
    fn what_would_be_late_is_refused() {
        let alone = [1.];
        let over = Load { limit: 10., ..load(2., &alone) };
        let replica = simulate(&over, 1);
        assert!((replica.refused - 0.5).abs() < 0.05, "{replica:?}");
        assert!(replica.busy > 0.99 && replica.most <= 12, "{replica:?}");
    }
}
