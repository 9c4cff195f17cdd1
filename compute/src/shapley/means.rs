//! Means of the regression's predictions over all coalitions of a size.

use super::halved;
use super::regression::Kernel;

/// For coalitions T of `t` units, the mean over all coalitions S of a size s of
/// `h_s(S) kernel(S, T)`: by symmetry one number for the units in T, and one for the others.
pub struct Means {
    units: usize,
    /// `[s - 1][t]`, of units in T.
    inside: Vec<Vec<f64>>,
}

impl Means {
    /// Computes them for all s and t up to half the units.
    pub fn new(units: usize, kernel: &Kernel) -> Self {
        let chances = Chances::new(units);
        let half = units / 2;
        let inside = |s: usize, t: usize| {
            if t == 0 {
                return 0.;
            }
            let with =
                chances.mean(units - 1, t - 1, s - 1, |both| kernel.at(s + t - 2 * both - 2));
            let without = chances.mean(units - 1, t - 1, s, |both| kernel.at(s + t - 2 * both));
            halved(units, s) * 2. / units as f64 * (with - without)
        };
        let of_size = |s: usize| (0..=half).map(|t| inside(s, t)).collect();
        Self { units, inside: (1..=half).map(of_size).collect() }
    }

    /// Returns the means for the units in T, and for the others. They sum to 0 over all units,
    /// because h does.
    pub fn of(&self, size: usize, t: usize) -> (f64, f64) {
        let inside = self.inside[size - 1][t];
        (inside, -inside * t as f64 / (self.units - t) as f64)
    }
}

/// Logarithms of factorials.
struct Chances(Vec<f64>);

impl Chances {
    fn new(most: usize) -> Self {
        let mut logs = vec![0.];
        for n in 1..=most {
            logs.push(logs[n - 1] + (n as f64).ln());
        }
        Self(logs)
    }

    fn choose(&self, n: usize, k: usize) -> f64 {
        self.0[n] - self.0[k] - self.0[n - k]
    }

    /// Returns the mean of `value(number of marked units among the drawn)`, for `drawn` of `n`
    /// units, `marked` of which are marked: the hypergeometric distribution.
    fn mean(&self, n: usize, marked: usize, drawn: usize, value: impl Fn(usize) -> f64) -> f64 {
        let all = self.choose(n, drawn);
        let least = (drawn + marked).saturating_sub(n);
        let term = |both: usize| {
            let log = self.choose(marked, both) + self.choose(n - marked, drawn - both) - all;
            log.exp() * value(both)
        };
        (least..=drawn.min(marked)).map(term).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::regression::Bits;
    use super::*;

    /// Compares with the mean over all coalitions.
    #[test]
    fn means_are_those_of_all_coalitions() {
        for units in [4, 7] {
            let kernel = Kernel::new(units);
            let means = Means::new(units, &kernel);
            let coalition = |bits: usize| (0..units).map(|u| bits >> u & 1 == 1).collect();
            for (size, t) in (1..=units / 2).flat_map(|s| (1..=units / 2).map(move |t| (s, t))) {
                let target = (1 << t) - 1;
                let all: Vec<usize> = (0..1 << units)
                    .filter(|bits: &usize| bits.count_ones() as usize == size)
                    .collect();
                let scale = 2. * units as f64 / (size * (units - size)) as f64
                    * if 2 * size == units { 0.5 } else { 1. };
                let mean = |unit: usize| {
                    let term = |bits: &usize| {
                        let h = (bits >> unit & 1) as f64 - size as f64 / units as f64;
                        let covariance = kernel
                            .of(&Bits::new(&coalition(*bits)), &Bits::new(&coalition(target)));
                        scale * h * covariance
                    };
                    all.iter().map(term).sum::<f64>() / all.len() as f64
                };
                let (inside, outside) = means.of(size, t);
                assert!((mean(0) - inside).abs() < 1e-12);
                assert!((mean(units - 1) - outside).abs() < 1e-12);
            }
        }
    }
}
