//! The order in which coalitions are drawn.

use std::collections::HashSet;

use super::{Coalition, halved, pairs};
use crate::random::Generator;

/// Draws coalitions of at most half the units, each of which stands for itself and its complement.
/// Every pair comes once, until all have come.
///
/// The size of the next coalition depends only on how many were drawn: the first ones have a
/// different size each, then the numbers approach the proportions `1 / sqrt(s (n - s))`, which
/// minimise the variance of Shapley values if the regression's errors are alike at every size.
/// Within a size, coalitions are drawn uniformly. So at any point, the coalitions of each size are
/// a uniform sample of that size.
pub struct Order {
    units: usize,
    generator: Generator,
    sizes: Vec<Size>,
}

struct Size {
    size: usize,
    /// Number of pairs.
    pairs: f64,
    /// Share of the draws.
    weight: f64,
    drawn: HashSet<Coalition>,
}

impl Size {
    fn new(units: usize, size: usize) -> Self {
        let weight = halved(units, size) / ((size * (units - size)) as f64).sqrt();
        Self { size, pairs: pairs(units, size), weight, drawn: HashSet::new() }
    }

    fn is_open(&self) -> bool {
        (self.drawn.len() as f64) < self.pairs
    }

    /// Returns how much of its share was drawn.
    fn progress(&self) -> f64 {
        self.drawn.len() as f64 / self.weight
    }
}

impl Order {
    pub fn new(units: usize, generator: Generator) -> Self {
        let sizes = (1..=units / 2).map(|size| Size::new(units, size)).collect();
        Self { units, generator, sizes }
    }
}

impl Iterator for Order {
    type Item = Coalition;

    fn next(&mut self) -> Option<Coalition> {
        let open = self.sizes.iter_mut().filter(|size| size.is_open());
        let size = open.min_by(|a, b| a.progress().total_cmp(&b.progress()))?;
        // Ends: a size whose pairs were all drawn is not open. Drawing the last of N pairs takes N
        // attempts on average.
        loop {
            let mut present = vec![false; self.units];
            for unit in self.generator.choose(size.size, self.units) {
                present[unit] = true;
            }
            // Of two halves, the one with the first unit stands for both.
            if 2 * size.size == self.units && !present[0] {
                present.iter_mut().for_each(|present| *present = !*present);
            }
            if size.drawn.insert(present.clone()) {
                return Some(present);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(units: usize, seed: u64) -> Order {
        Order::new(units, Generator::stream(seed, 0))
    }

    #[test]
    fn every_pair_comes_once() {
        for units in 2..=9 {
            let mut coalitions: Vec<Coalition> = order(units, 3).collect();
            assert_eq!(coalitions.len(), (1 << (units - 1)) - 1);
            let complement = |one: &Coalition| one.iter().map(|present| !present).collect();
            let complements: Vec<Coalition> = coalitions.iter().map(complement).collect();
            coalitions.extend(complements);
            coalitions.sort();
            coalitions.dedup();
            assert_eq!(coalitions.len(), (1 << units) - 2);
        }
        assert_eq!(order(1, 0).next(), None);
    }

    #[test]
    fn units_and_sizes_have_their_share_at_any_cut() {
        let units = 12;
        for cut in [6, 20, 100] {
            let mut present = vec![0; units];
            let mut of_size = vec![0; units];
            for seed in 0..400 {
                for coalition in order(units, seed).take(cut) {
                    let size = coalition.iter().filter(|present| **present).count();
                    of_size[size] += 1;
                    if size < units / 2 {
                        present.iter_mut().zip(coalition).for_each(|(n, one)| *n += i32::from(one));
                    }
                }
            }
            assert!((1..=6).all(|size| of_size[size] >= 400), "{of_size:?}");
            let mean = f64::from(present.iter().sum::<i32>()) / units as f64;
            for count in present {
                assert!((f64::from(count) - mean).abs() < 5. * mean.sqrt(), "{cut}");
            }
        }
    }

    #[test]
    fn the_seed_determines_the_order() {
        let first = |seed| order(20, seed).take(30).collect::<Vec<_>>();
        assert_eq!(first(5), first(5));
        assert_ne!(first(5), first(6));
    }
}
