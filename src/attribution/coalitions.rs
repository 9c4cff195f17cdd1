//! Selects the coalitions of KernelSHAP like the package shap, with this crate's generator: small
//! and large sizes are enumerated first, while the budget allows, and the rest is sampled.

use std::collections::HashMap;

use super::least_squares::Sample;
use crate::random::Generator;

/// Returns at most `budget` coalitions of `units` units, without the empty and the full one,
/// weighted by the Shapley kernel `(n - 1) / (C(n, s) s (n - s))`.
pub fn choose(units: usize, budget: usize, seed: u64) -> Vec<Sample> {
    let budget = match units {
        0 | 1 => return Vec::new(),
        2..=30 => budget.min((1 << units) - 2),
        _ => budget,
    };
    let sizes = Sizes::new(units);
    let (mut samples, enumerated) = sizes.enumerate(budget);
    if enumerated < sizes.weights.len() {
        let drawn = sizes.draw(enumerated, budget - samples.len(), seed);
        samples.extend(drawn);
    }
    samples
}

/// Coalition sizes up to half the units. Most of them also stand for the complementary size.
struct Sizes {
    units: usize,
    /// Weights of sizes 1, 2, …, including the complementary sizes. They sum to 1.
    weights: Vec<f64>,
    /// Number of sizes that have a complementary size.
    paired: usize,
}

impl Sizes {
    fn new(units: usize) -> Self {
        let n = units as f64;
        let paired = (units - 1) / 2;
        let weight = |size: usize| {
            let s = size as f64;
            let pair = if size <= paired { 2. } else { 1. };
            pair * (n - 1.) / (s * (n - s))
        };
        let weights: Vec<f64> = (1..=(units - 1).div_ceil(2)).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Self { units, weights: weights.iter().map(|weight| weight / sum).collect(), paired }
    }

    fn is_paired(&self, size: usize) -> bool {
        size <= self.paired
    }

    /// Enumerates the coalitions of all sizes that fit into the budget completely. Returns them and
    /// the number of these sizes.
    fn enumerate(&self, budget: usize) -> (Vec<Sample>, usize) {
        let mut samples = Vec::new();
        let (mut remaining_budget, mut remaining_weight) = (budget as f64, 1.);
        for (index, &weight) in self.weights.iter().enumerate() {
            let size = index + 1;
            let pair = if self.is_paired(size) { 2. } else { 1. };
            let count = binomial(self.units, size) * pair;
            // The share of the remaining budget that is due to this size.
            let share = weight / remaining_weight;
            if remaining_budget * share / count < 1. - 1e-8 {
                return (samples, index);
            }
            remaining_budget -= count;
            if share < 1. {
                remaining_weight -= weight;
            }
            for members in combinations(self.units, size) {
                self.push(&mut samples, &members, weight / count, pair);
            }
        }
        (samples, self.weights.len())
    }

    fn mask(&self, members: &[usize]) -> Vec<bool> {
        let mut present = vec![false; self.units];
        members.iter().for_each(|&unit| present[unit] = true);
        present
    }

    fn push(&self, samples: &mut Vec<Sample>, members: &[usize], weight: f64, pair: f64) {
        let present = self.mask(members);
        let complement = (pair > 1.).then(|| present.iter().map(|present| !present).collect());
        samples.push(Sample { present, weight });
        samples.extend(complement.map(|present| Sample { present, weight }));
    }

    /// Samples coalitions of the sizes after the first `enumerated`, with their complements.
    /// Repeated draws increase the weight of a coalition.
    fn draw(&self, enumerated: usize, budget: usize, seed: u64) -> Vec<Sample> {
        let single =
            |index: usize| self.weights[index] / if self.is_paired(index + 1) { 2. } else { 1. };
        let chances: Vec<f64> = (enumerated..self.weights.len()).map(single).collect();
        let sum: f64 = chances.iter().sum();
        let mut generator = Generator::stream(seed, 0);
        let mut index_of: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut samples: Vec<Sample> = Vec::new();
        let mut remaining = budget;
        for _ in 0..4 * budget {
            if remaining == 0 {
                break;
            }
            let size = enumerated + 1 + pick(&chances, generator.uniform() * sum);
            let members = generator.choose(size, self.units);
            let paired = self.is_paired(size);
            if let Some(&index) = index_of.get(&self.mask(&members)) {
                samples[index].weight += 1.;
                if paired && remaining > 0 && samples.len() > index + 1 {
                    samples[index + 1].weight += 1.;
                }
                continue;
            }
            let pair = if paired && remaining > 1 { 2. } else { 1. };
            remaining -= pair as usize;
            index_of.insert(self.mask(&members), samples.len());
            self.push(&mut samples, &members, 1., pair);
        }
        let drawn: f64 = samples.iter().map(|sample| sample.weight).sum();
        let share: f64 = self.weights[enumerated..].iter().sum();
        samples.iter_mut().for_each(|sample| sample.weight *= share / drawn);
        samples
    }
}

/// Returns the first index at which the cumulative sum of `chances` exceeds `threshold`.
fn pick(chances: &[f64], threshold: f64) -> usize {
    let mut sum = 0.;
    let over = |chance: &f64| {
        sum += chance;
        threshold < sum
    };
    chances.iter().position(over).unwrap_or(chances.len() - 1)
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>().round()
}

/// Returns all subsets of `0..n` with `size` members, in lexicographic order.
fn combinations(n: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let first: Vec<usize> = (0..size).collect();
    std::iter::successors(Some(first), move |last| {
        let mut next = last.clone();
        let index = (0..size).rev().find(|&i| next[i] < n - size + i)?;
        next[index] += 1;
        for i in index + 1..size {
            next[i] = next[i - 1] + 1;
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coalition_is_chosen_once_if_the_budget_allows() {
        for units in 2..=9 {
            let samples = choose(units, 1 << units, 0);
            assert_eq!(samples.len(), (1 << units) - 2);
            let mut masks: Vec<&Vec<bool>> = samples.iter().map(|sample| &sample.present).collect();
            masks.sort();
            masks.dedup();
            assert_eq!(masks.len(), samples.len());
            let sum: f64 = samples.iter().map(|sample| sample.weight).sum();
            assert!((sum - 1.).abs() < 1e-12);
        }
    }

    #[test]
    fn the_budget_is_kept_and_weights_sum_to_one() {
        for (units, budget) in [(12, 100), (40, 301), (9, 17), (128, 500)] {
            let samples = choose(units, budget, 5);
            assert!(samples.len() <= budget && samples.len() * 10 > budget * 9);
            let sum: f64 = samples.iter().map(|sample| sample.weight).sum();
            assert!((sum - 1.).abs() < 1e-9, "{sum}");
            assert_eq!(samples, choose(units, budget, 5), "the same seed, the same samples");
            assert_ne!(samples, choose(units, budget, 6));
        }
    }
}
