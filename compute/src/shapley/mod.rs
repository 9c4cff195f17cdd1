//! Shapley values of a game: a number for every set of present units (a *coalition*).
//!
//! Few units: [`exact`] from all coalitions. More: [`Order`] draws coalitions, each with its
//! complement, and [`Estimator`] estimates the values and their covariance from any number of the
//! first pairs.
//!
//! A Shapley value weighs every coalition size alike, and depends only on the odd part of the game,
//! `y(S) = (F(S) - F(complement of S)) / 2`. With `h_s(S) = 2n / (s (n - s)) (1_S - s/n)`, half of
//! it for the size n/2, it is
//!
//! ```text
//! φ = (F(all) - F(none)) / n + Σ_{s ≤ n/2} mean over the coalitions S of size s of h_s(S) y(S)
//! ```
//!
//! The estimate replaces the mean of each size by the mean over a sample of that size, which is
//! unbiased, and takes it of what a regression does not predict, which has a lower variance
//! (regression-adjusted Monte Carlo: Witter, Liu & Musco 2025, arXiv:2506.11849). The regression is
//! a Gaussian process, whose own mean over all coalitions of a size has a closed form, and whose
//! prediction of a pair that it was not fitted to follows from a single fit.

mod estimate;
mod exact;
mod form;
mod means;
mod order;
pub mod pairs;
mod regression;

pub use estimate::{Estimate, Estimator};
pub use exact::exact;
pub use order::Order;

/// The most pairs that a regression is fitted to, the first ones. Fitting takes the cube of their
/// number; later pairs only correct its predictions.
const FITTED: usize = 512;

/// Which units are present.
pub type Coalition = Vec<bool>;

/// Returns the number of subsets of size `k` of `n` units, as a float because it may be huge.
pub fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>().round()
}

/// Returns the number of pairs of complementary coalitions whose smaller one has `size` units.
fn pairs(units: usize, size: usize) -> f64 {
    binomial(units, size) * halved(units, size)
}

/// Returns 1/2 if coalitions of this size are complements of each other, so that each pair would
/// count twice, and 1 otherwise.
fn halved(units: usize, size: usize) -> f64 {
    if 2 * size == units { 0.5 } else { 1. }
}

fn size_of(coalition: &Coalition) -> usize {
    coalition.iter().filter(|present| **present).count()
}

#[cfg(test)]
mod tests {
    use super::{Coalition, Order};
    use crate::random::Generator;

    /// A game with random effects of every order, smaller for higher orders.
    pub struct Game {
        pub units: usize,
        pub values: Vec<f64>,
    }

    impl Game {
        pub fn new(units: usize, seed: u64) -> Self {
            let mut generator = Generator::stream(seed, 0);
            let mut effects: Vec<f64> = (0..1usize << units)
                .map(|set| generator.normal() * 0.5_f64.powi(set.count_ones() as i32))
                .collect();
            // The sum over all subsets of each set.
            for unit in 0..units {
                for set in (0..1 << units).filter(|set| set >> unit & 1 == 1) {
                    effects[set] += effects[set ^ 1 << unit];
                }
            }
            Self { units, values: effects.iter().map(|effect| effect.tanh()).collect() }
        }

        pub fn value(&self, coalition: &Coalition) -> f64 {
            let bit = |(unit, &present): (usize, &bool)| usize::from(present) << unit;
            self.values[coalition.iter().enumerate().map(bit).sum::<usize>()]
        }

        /// Returns the first coalitions of an order.
        pub fn coalitions(&self, count: usize, seed: u64) -> Vec<Coalition> {
            Order::new(self.units, Generator::stream(seed, 0)).take(count).collect()
        }
    }
}
