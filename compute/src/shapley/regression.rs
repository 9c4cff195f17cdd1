//! Gaussian process regression of the odd part of a game (Rasmussen & Williams 2006, chapters 2
//! and 5).

use super::Coalition;

/// Share of the kernel that models interactions; the rest is linear.
const INTERACTIONS: f64 = 0.1;

/// Length of the interactions, in the cosine of two coalitions.
const LENGTH: f64 = 0.5;

/// Variance that is not explained by the coalition, relative to the kernel's. It only keeps the
/// matrix well conditioned: a game has no noise.
const NOISE: f64 = 1e-3;

/// The same for quadratic forms, which do not explain all of a game. With less, predictions are wild
/// while there are about as many coalitions as pairs.
const QUADRATIC_NOISE: f64 = 0.1;

/// The covariance of two coalitions, by the number of units in which they differ. With the cosine
/// `ρ = 1 - 2 d / n` of two coalitions as vectors of ±1, it is `0.9 ρ + 0.1 sinh(2 ρ) / sinh(2)`: an
/// odd function of ρ, so that every prediction is an odd function of the coalition.
pub struct Kernel {
    covariances: Vec<f64>,
    noise: f64,
}

impl Kernel {
    pub fn new(units: usize) -> Self {
        let covariance = |distance: usize| {
            let cosine = 1. - 2. * distance as f64 / units as f64;
            let curved = (cosine / LENGTH).sinh() / (1. / LENGTH).sinh();
            (1. - INTERACTIONS) * cosine + INTERACTIONS * curved
        };
        Self { covariances: (0..=units).map(covariance).collect(), noise: NOISE }
    }

    /// `ρ²`: an even function of ρ, whose predictions are quadratic forms of coalitions as vectors
    /// of ±1.
    pub fn quadratic(units: usize) -> Self {
        let cosine = |distance: usize| 1. - 2. * distance as f64 / units as f64;
        let covariances = (0..=units).map(|distance| cosine(distance).powi(2)).collect();
        Self { covariances, noise: QUADRATIC_NOISE }
    }

    pub fn at(&self, distance: usize) -> f64 {
        self.covariances[distance]
    }

    pub fn of(&self, a: &Bits, b: &Bits) -> f64 {
        self.at(a.distance(b))
    }
}

/// A coalition as bits.
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn new(coalition: &Coalition) -> Self {
        let word =
            |units: &[bool]| units.iter().rfold(0, |word, &unit| word << 1 | u64::from(unit));
        Self(coalition.chunks(64).map(word).collect())
    }

    /// Returns the number of units in which both differ.
    fn distance(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones() as usize).sum()
    }
}

/// The inverse C of the matrix of covariances with noise, as `C = Rᵀ R` with a lower triangular R.
pub struct Inverse {
    size: usize,
    /// Rᵀ by rows: row j holds R's column j, of which entries before j are 0.
    columns: Vec<f64>,
}

impl Inverse {
    pub fn new(kernel: &Kernel, coalitions: &[Bits]) -> Self {
        let size = coalitions.len();
        let lower = cholesky(size, |i, j| {
            let noise = if i == j { kernel.noise } else { 0. };
            kernel.of(&coalitions[i], &coalitions[j]) + noise
        });
        let mut columns = vec![0.; size * size];
        for j in 0..size {
            let column = &mut columns[j * size..(j + 1) * size];
            column[j] = 1. / lower[j * size + j];
            for i in j + 1..size {
                let row = &lower[i * size..(i + 1) * size];
                column[i] = -dot(&row[j..i], &column[j..i]) / row[i];
            }
        }
        Self { size, columns }
    }

    fn column(&self, j: usize) -> &[f64] {
        &self.columns[j * self.size + j..(j + 1) * self.size]
    }

    /// Returns `C x`.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        let mut inner = vec![0.; self.size];
        for (j, &x) in x.iter().enumerate().filter(|(_, x)| **x != 0.) {
            inner[j..].iter_mut().zip(self.column(j)).for_each(|(sum, r)| *sum += r * x);
        }
        (0..self.size).map(|j| dot(self.column(j), &inner[j..])).collect()
    }

    /// Returns the diagonal of C.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.size).map(|j| dot(self.column(j), self.column(j))).collect()
    }
}

/// Returns the lower triangular L, by rows, with `L Lᵀ` = the positive definite matrix of `entry`.
fn cholesky(size: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut lower = vec![0.; size * size];
    for i in 0..size {
        let (above, row) = lower.split_at_mut(i * size);
        for j in 0..i {
            let other = &above[j * size..(j + 1) * size];
            row[j] = (entry(i, j) - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (entry(i, i) - dot(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
    }
    lower
}

/// Returns the inner product. The order of additions is fixed, and lets the compiler use vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    #[test]
    fn the_inverse_is_one() {
        let (units, mut generator) = (70, Generator::stream(1, 0));
        let mut coalition = || Bits::new(&(0..units).map(|_| generator.uniform() < 0.5).collect());
        let coalitions: Vec<Bits> = (0..37).map(|_| coalition()).collect();
        let kernel = Kernel::new(units);
        let inverse = Inverse::new(&kernel, &coalitions);
        for (j, expected) in inverse.diagonal().iter().enumerate() {
            let noise = |i| if i == j { NOISE } else { 0. };
            let column: Vec<f64> =
                (0..37).map(|i| kernel.of(&coalitions[i], &coalitions[j]) + noise(i)).collect();
            let unit = inverse.times(&column);
            for (i, value) in unit.iter().enumerate() {
                assert!((value - f64::from(i == j)).abs() < 1e-9);
            }
            let mut one = vec![0.; 37];
            one[j] = 1.;
            assert!((inverse.times(&one)[j] - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn the_kernel_is_odd_and_one_at_distance_zero() {
        let kernel = Kernel::new(9);
        assert!((kernel.at(0) - 1.).abs() < 1e-15);
        assert!((0..=9).all(|d| (kernel.at(d) + kernel.at(9 - d)).abs() < 1e-15));
    }
}
