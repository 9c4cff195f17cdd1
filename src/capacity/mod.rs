//! How many replicas a load needs: the times of requests are measured on this machine, and replicas
//! behind a balancer are simulated with them.

mod measure;
mod simulate;

pub use measure::{Measured, measure};
pub use simulate::{Balancer, Load, Simulated, simulate};

/// The most replicas that are simulated.
pub const MAX_REPLICAS: usize = 1_000;

/// Simulates growing numbers of replicas, from the fewest that the rate leaves idle at times, until
/// the 99th percentile is at most `seconds` and nothing is refused. The last one is the fewest that
/// suffices, unless even [`MAX_REPLICAS`] do not.
pub fn replicas_for(load: &Load<'_>, seconds: f64) -> Vec<Simulated> {
    let fewest = (load.busy_replicas().ceil() as usize).clamp(1, MAX_REPLICAS);
    let mut tried = Vec::new();
    // Grows by a tenth, so that a thousand are reached in few steps.
    let more = |replicas: &usize| Some(replicas + (replicas / 10).max(1));
    for replicas in std::iter::successors(Some(fewest), more).take_while(|n| *n <= MAX_REPLICAS) {
        let simulated = simulate(load, replicas);
        let done = simulated.suffices(seconds);
        tried.push(simulated);
        if done {
            break;
        }
    }
    tried
}
