//! Which coalitions KernelSHAP looks at: sizes are enumerated from the outside
//! in while the budget allows, the rest is drawn; as the package shap does, with
//! this crate's generator.

use std::collections::HashMap;

use super::least_squares::Sample;
use crate::random::Generator;

/// Coalitions of `units`, but for the empty and the full one, at most `budget` of
/// them, weighted by the Shapley kernel `(n - 1) / (C(n, s) s (n - s))`.
pub fn choose(units: usize, budget: usize, seed: u64) -> Vec<Sample> {
    let budget = match units {
        0 | 1 => return Vec::new(),
        2..=30 => budget.min((1 << units) - 2),
        _ => budget,
    };
    let sizes = Sizes::new(units);
    let (mut samples, full) = sizes.enumerate(budget);
    if full < sizes.weights.len() {
        let drawn = sizes.draw(full, budget - samples.len(), seed);
        samples.extend(drawn);
    }
    samples
}

/// The sizes of coalitions up to the half; most stand for the complement too.
struct Sizes {
    units: usize,
    /// Of size 1, 2, …, both of a pair together; they sum to 1.
    weights: Vec<f64>,
    /// How many of them come in pairs.
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

    /// Every coalition of the sizes that the budget holds in full, and how many
    /// sizes these are.
    fn enumerate(&self, budget: usize) -> (Vec<Sample>, usize) {
        let mut samples = Vec::new();
        let (mut left, mut remaining) = (budget as f64, 1.);
        for (place, &weight) in self.weights.iter().enumerate() {
            let size = place + 1;
            let pair = if self.is_paired(size) { 2. } else { 1. };
            let count = binomial(self.units, size) * pair;
            // Of what is left, the share that this size should have.
            let share = weight / remaining;
            if left * share / count < 1. - 1e-8 {
                return (samples, place);
            }
            left -= count;
            if share < 1. {
                remaining -= weight;
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

    /// Coalitions of the sizes after the first `full`, drawn with their
    /// complements: one that comes again counts more.
    fn draw(&self, full: usize, budget: usize, seed: u64) -> Vec<Sample> {
        let single =
            |place: usize| self.weights[place] / if self.is_paired(place + 1) { 2. } else { 1. };
        let chances: Vec<f64> = (full..self.weights.len()).map(single).collect();
        let sum: f64 = chances.iter().sum();
        let mut generator = Generator::stream(seed, 0);
        let mut seen: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut samples: Vec<Sample> = Vec::new();
        let mut left = budget;
        for _ in 0..4 * budget {
            if left == 0 {
                break;
            }
            let size = full + 1 + pick(&chances, generator.uniform() * sum);
            let members = generator.choose(size, self.units);
            let paired = self.is_paired(size);
            if let Some(&place) = seen.get(&self.mask(&members)) {
                samples[place].weight += 1.;
                if paired && left > 0 && samples.len() > place + 1 {
                    samples[place + 1].weight += 1.;
                }
                continue;
            }
            let pair = if paired && left > 1 { 2. } else { 1. };
            left -= pair as usize;
            seen.insert(self.mask(&members), samples.len());
            self.push(&mut samples, &members, 1., pair);
        }
        let drawn: f64 = samples.iter().map(|sample| sample.weight).sum();
        let share: f64 = self.weights[full..].iter().sum();
        samples.iter_mut().for_each(|sample| sample.weight *= share / drawn);
        samples
    }
}

/// The first place whose chances, added up, are over `at`.
fn pick(chances: &[f64], at: f64) -> usize {
    let mut sum = 0.;
    let over = |chance: &f64| {
        sum += chance;
        at < sum
    };
    chances.iter().position(over).unwrap_or(chances.len() - 1)
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>().round()
}

/// Every choice of `size` of `0..n`, in the order of their members.
fn combinations(n: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let first: Vec<usize> = (0..size).collect();
    std::iter::successors(Some(first), move |last| {
        let mut next = last.clone();
        let place = (0..size).rev().find(|&i| next[i] < n - size + i)?;
        next[place] += 1;
        for i in place + 1..size {
            next[i] = next[i - 1] + 1;
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coalition_once_where_there_is_room() {
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
    fn a_budget_is_kept_and_weights_still_sum_to_one() {
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
