//! Shapley interactions of pairs: exactly from all coalitions, and estimated from pairs of
//! complementary ones.

use std::collections::BTreeMap;

use super::form::Means;
pub use super::form::all_pairs;
use super::regression::{Bits, Inverse, Kernel};
use super::{Coalition, FITTED, halved, pairs, size_of};

/// Factor of the variance, and what is added to it for one pair, as for Shapley values; chosen on
/// the games of the tests.
const SHARED: f64 = 1.1;
const FEW: f64 = 8.;

/// The fewest coalitions of a size whose residuals say more than noise. Of smaller samples only the
/// regression is used.
const ENOUGH: usize = 8;

/// Returns the interaction index of every pair: `Σ_S |S|! (n - |S| - 2)! / (n - 1)! Δ_ij(S)` over
/// all S without both, with `Δ_ij(S) = F(S ∪ ij) - F(S ∪ i) - F(S ∪ j) + F(S)`. `value` returns F of
/// the coalition whose units are the set bits.
pub fn exact(units: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    // 1 / ((n - 1) C(n - 2, s)), for coalitions of size s.
    let mut weights = vec![1. / (units as f64 - 1.).max(1.); units.max(2) - 1];
    for size in 1..weights.len() {
        weights[size] = weights[size - 1] * size as f64 / (units - 1 - size) as f64;
    }
    let of_pair = |(i, j): (usize, usize)| {
        let (one, other) = (1 << i, 1 << j);
        let without = (0..1usize << units).filter(|bits| bits & (one | other) == 0);
        let together = |bits: usize| {
            value(bits | one | other) - value(bits | one) - value(bits | other) + value(bits)
        };
        without.map(|bits| weights[bits.count_ones() as usize] * together(bits)).sum()
    };
    all_pairs(units).map(of_pair).collect()
}

/// Returns the main effects that with the pairs add up to the change from no units to all: the
/// Shapley values less half of each unit's interactions (k-SII of order 2, Bordt & von Luxburg 2023).
pub fn main_effects(shapley: &[f64], interactions: &[f64]) -> Vec<f64> {
    let mut main = shapley.to_vec();
    for ((i, j), interaction) in all_pairs(shapley.len()).zip(interactions) {
        main[i] -= interaction / 2.;
        main[j] -= interaction / 2.;
    }
    main
}

/// Estimated interactions of all pairs, and their variances.
pub struct Interactions {
    pub values: Vec<f64>,
    pub variances: Vec<f64>,
}

impl Interactions {
    /// Returns values without uncertainty.
    pub fn exact(values: Vec<f64>) -> Self {
        Self { variances: vec![0.; values.len()], values }
    }
}

/// `Γ_s(S)` of a pair of units, by how many of both are in S: with the even part of the game,
/// `e(S) = F(S) + F(complement of S)`,
/// `I_ij = (F(all) + F(none)) / (n - 1) + Σ_{s ≤ n/2} mean over the coalitions S of size s of
/// Γ_s(S) e(S)`.
#[derive(Clone, Copy)]
struct Contrast([f64; 3]);

impl Contrast {
    fn new(units: usize, size: usize) -> Self {
        let (n, s, rest) = (units as f64, size as f64, (units - size) as f64);
        let scale = n * halved(units, size);
        let beside = |size: f64| if size < 2. { 0. } else { scale / (size * (size - 1.)) };
        Self([beside(rest), -scale / (s * rest), beside(s)])
    }

    fn of(self, coalition: &Coalition, i: usize, j: usize) -> f64 {
        self.0[usize::from(coalition[i]) + usize::from(coalition[j])]
    }

    /// Returns the mean of `Γ²` over all coalitions of the size.
    fn mean_square(self, units: usize, size: usize) -> f64 {
        let (n, s) = (units as f64, size as f64);
        let chances = [(n - s) * (n - s - 1.), 2. * s * (n - s), s * (s - 1.)];
        let squares = self.0.iter().zip(chances).map(|(gamma, chance)| gamma * gamma * chance);
        squares.sum::<f64>() / (n * (n - 1.))
    }
}

/// Estimates interactions from coalitions and their complements.
pub struct PairEstimator {
    units: usize,
    kernel: Kernel,
}

impl PairEstimator {
    /// `units` must be at least 2.
    pub fn new(units: usize) -> Self {
        Self { units, kernel: Kernel::quadratic(units) }
    }

    /// Prepares estimates from these coalitions, which stand for their complements too. Those of a
    /// size must be a uniform sample of that size.
    pub fn fit<'a>(&'a self, coalitions: &'a [Coalition]) -> PairFit<'a> {
        let all = vec![true; self.units];
        let with_all = || std::iter::once(&all).chain(coalitions);
        let bits: Vec<Bits> = with_all().map(Bits::new).collect();
        let sign = |&present: &bool| if present { 1. } else { -1. };
        let signs = with_all().take(1 + FITTED).map(|one| one.iter().map(sign).collect()).collect();
        let inverse = Inverse::new(&self.kernel, &bits[..bits.len().min(1 + FITTED)]);
        let mut by_size: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (pair, coalition) in coalitions.iter().enumerate() {
            by_size.entry(size_of(coalition)).or_default().push(pair);
        }
        let diagonal = inverse.diagonal();
        PairFit { of: self, coalitions, bits, signs, by_size, inverse, diagonal }
    }
}

/// A regression's matrix, which all scalars share.
pub struct PairFit<'a> {
    of: &'a PairEstimator,
    coalitions: &'a [Coalition],
    /// The coalition of all units, then `coalitions`.
    bits: Vec<Bits>,
    /// Those of the regression as vectors of ±1.
    signs: Vec<Vec<f64>>,
    /// Indices of the coalitions of each size.
    by_size: BTreeMap<usize, Vec<usize>>,
    inverse: Inverse,
    diagonal: Vec<f64>,
}

/// The even part of a game with its mean at 0, and its regression.
struct Regressed {
    even: Vec<f64>,
    weights: Vec<f64>,
    /// How far each pair is from its prediction by the fit without it.
    residuals: Vec<f64>,
}

impl PairFit<'_> {
    /// Returns the interactions of a game with `ends`, F(all) + F(none), and the sums
    /// `F(S) + F(complement of S)` of the coalitions.
    pub fn estimate(&self, sums: &[f64], ends: f64) -> Interactions {
        let regressed = self.regress(sums, ends);
        let units = self.of.units;
        let of_pairs = |value| vec![value; units * (units - 1) / 2];
        let mut found = Interactions {
            values: of_pairs(regressed.even[0] / (units as f64 - 1.)),
            variances: of_pairs(0.),
        };
        let count = regressed.residuals.len().max(1) as f64;
        let variance = regressed.residuals.iter().map(|r| r * r).sum::<f64>() / count;
        let mut means = Means::new(regressed.weights.len());
        for size in 1..=units / 2 {
            let is_enough = |sample: &&Vec<usize>| {
                sample.len() >= ENOUGH || sample.len() as f64 >= pairs(units, size)
            };
            match self.by_size.get(&size).filter(is_enough) {
                Some(sample) => self.add_sampled(&mut found, &mut means, size, sample, &regressed),
                None => {
                    means.add(units, size, &regressed.weights);
                    let contrast = Contrast::new(units, size).mean_square(units, size);
                    // The uncertainty of a single pair.
                    found.variances.iter_mut().for_each(|own| *own += variance * contrast);
                }
            }
        }
        means.add_to(&mut found.values, units, &self.signs);
        let factor = SHARED + FEW / count;
        found.variances.iter_mut().for_each(|variance| *variance *= factor);
        found
    }

    /// A constant changes no interaction, so the mean is taken away: the kernel has no constant.
    fn regress(&self, sums: &[f64], ends: f64) -> Regressed {
        let mean = (ends + sums.iter().sum::<f64>()) / (1. + sums.len() as f64);
        let even: Vec<f64> = std::iter::once(&ends).chain(sums).map(|sum| sum - mean).collect();
        let weights = self.inverse.times(&even[..self.diagonal.len()]);
        let left_out = |pair: usize| match weights.get(pair + 1) {
            Some(weight) => weight / self.diagonal[pair + 1],
            None => even[pair + 1] - self.predicted(pair, &weights),
        };
        let residuals = (0..self.coalitions.len()).map(left_out).collect();
        Regressed { residuals, even, weights }
    }

    fn predicted(&self, pair: usize, weights: &[f64]) -> f64 {
        let own = &self.bits[pair + 1];
        weights.iter().zip(&self.bits).map(|(w, other)| w * self.of.kernel.of(own, other)).sum()
    }

    /// Adds the contribution of a size, as for Shapley values.
    fn add_sampled(
        &self,
        found: &mut Interactions,
        means: &mut Means,
        size: usize,
        sample: &[usize],
        Regressed { even, weights, residuals }: &Regressed,
    ) {
        let units = self.of.units;
        let (k, all) = (sample.len() as f64, pairs(units, size));
        let mut own = vec![0.; weights.len()];
        for &pair in sample.iter().filter(|pair| **pair + 1 < weights.len()) {
            own[pair + 1] = residuals[pair] / k;
        }
        let lacking = self.inverse.times(&own);
        let mean_fit: Vec<f64> =
            weights.iter().zip(lacking).map(|(w, without)| w - without).collect();
        means.add(units, size, &mean_fit);
        let contrast = Contrast::new(units, size);
        let rest = (1. / k - 1. / all).max(0.);
        for &pair in sample {
            let residual = residuals[pair];
            let share = (even[pair + 1] - self.predicted(pair, &mean_fit)) / all + rest * residual;
            for (position, (i, j)) in all_pairs(units).enumerate() {
                found.values[position] += contrast.of(&self.coalitions[pair], i, j) * share;
            }
        }
        // Few coalitions of a size contain a given pair, so the mean of `Γ²` is taken over all of
        // them, not over the sample.
        let squares: f64 = sample.iter().map(|&pair| residuals[pair].powi(2)).sum();
        let variance = rest * squares / k * contrast.mean_square(units, size);
        found.variances.iter_mut().for_each(|own| *own += variance);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Game;
    use super::*;

    fn of_game(game: &Game) -> Vec<f64> {
        exact(game.units, |bits| game.values[bits])
    }

    fn estimate(game: &Game, count: usize, seed: u64) -> Interactions {
        estimate_from(game, &game.coalitions(count, seed))
    }

    fn estimate_from(game: &Game, coalitions: &[Coalition]) -> Interactions {
        let sum = |one: &Coalition| {
            let other = one.iter().map(|present| !present).collect();
            game.value(one) + game.value(&other)
        };
        let sums: Vec<f64> = coalitions.iter().map(sum).collect();
        let ends = game.values[0] + game.values[game.values.len() - 1];
        PairEstimator::new(game.units).fit(coalitions).estimate(&sums, ends)
    }

    /// Of three units by hand: the mean of the effect together, with and without the third.
    #[test]
    fn interactions_are_means_over_what_else_is_present() {
        let values = [0.3, -1., 2., 0.5, 4., -0.7, 0.1, 3.];
        let found = exact(3, |bits| values[bits]);
        let pair = |with: usize| {
            let at = |bits: usize| values[bits | with << 2];
            at(3) - at(1) - at(2) + at(0)
        };
        assert!((found[0] - (pair(0) + pair(1)) / 2.).abs() < 1e-12);
        assert_eq!(exact(2, |bits| values[bits]), [values[3] - values[1] - values[2] + values[0]]);
    }

    #[test]
    fn main_effects_and_pairs_add_up() {
        let game = Game::new(7, 5);
        let pairs = of_game(&game);
        let shapley = super::super::exact(7, |bits| game.values[bits]);
        let sum = main_effects(&shapley, &pairs).iter().chain(&pairs).sum::<f64>();
        assert!((sum - (game.values[127] - game.values[0])).abs() < 1e-12);
    }

    #[test]
    fn all_coalitions_give_exact_interactions() {
        for units in [2, 3, 4, 6, 9, 11] {
            let game = Game::new(units, 4);
            let found = estimate(&game, 1 << units, 1);
            for (pair, expected) in of_game(&game).iter().enumerate() {
                let value = found.values[pair];
                assert!((value - expected).abs() < 1e-8, "{units}: {value} is not {expected}");
                assert!(found.variances[pair] < 1e-16, "{units}");
            }
        }
    }

    /// Coalitions as methods draw them: first those of one unit.
    fn singles_first(game: &Game, count: usize, seed: u64) -> Vec<Coalition> {
        let single = (0..game.units).map(|one| (0..game.units).map(|unit| unit == one).collect());
        let more = game.coalitions(count + game.units, seed).into_iter();
        let larger = more.filter(|one: &Coalition| size_of(one) > 1);
        single.chain(larger).take(count).collect()
    }

    /// With few evaluations, estimates are not further from the truth than zeros are.
    #[test]
    fn errors_do_not_exceed_the_interactions() {
        for units in [8, 10] {
            for count in [4, units, units + 4, 2 * units, 4 * units, 8 * units] {
                let (mut error, mut size) = (0., 0.);
                for number in 0..10 {
                    let game = Game::new(units, number);
                    let found = estimate_from(&game, &singles_first(&game, count, number));
                    for (value, exact) in found.values.iter().zip(of_game(&game)) {
                        error += (value - exact).powi(2);
                        size += exact.powi(2);
                    }
                }
                assert!(error < 1.1 * size, "{units} units, {count} pairs: {error} of {size}");
            }
        }
    }

    /// The true value is within two standard errors for 92 to 98 % of the pairs, and the mean of
    /// all estimates is the true value.
    #[test]
    fn estimates_are_unbiased_and_their_errors_are_honest() {
        let (games, seeds) = (40, 25);
        for count in [40, 120, 300] {
            let (mut covered, mut bias, mut error) = (0, 0., 0.);
            for number in 0..games {
                let game = Game::new(10, number);
                let exact = of_game(&game);
                let mut means = vec![0.; exact.len()];
                for seed in 0..seeds {
                    let found = estimate(&game, count, 1_000 * number + seed);
                    for (pair, expected) in exact.iter().enumerate() {
                        let off = found.values[pair] - expected;
                        covered += usize::from(off.abs() <= 2. * found.variances[pair].sqrt());
                        error += off * off;
                        means[pair] += off / seeds as f64;
                    }
                }
                bias += means.iter().map(|mean| mean * mean).sum::<f64>();
            }
            let runs = (games * seeds) as f64;
            let share = covered as f64 / (45. * runs);
            assert!((share - 0.95).abs() <= 0.03, "{count} pairs: {share} covered");
            let expected = error / runs * games as f64 / seeds as f64;
            assert!(bias < 1.5 * expected, "{count} pairs: {bias} against {expected}");
        }
    }
}
