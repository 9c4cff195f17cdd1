//! Weighted ridge regression over the presence of units: LIME's surrogate model.

/// A perturbed input: which units are present, and its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub present: Vec<bool>,
    pub weight: f64,
}

/// A linear function of which units are present.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub coefficients: Vec<f64>,
    pub intercept: f64,
    /// Weighted coefficient of determination.
    pub r2: f64,
    /// `[coefficients][coefficients]`, of random samples.
    pub covariance: Vec<Vec<f64>>,
}

fn indicator(present: bool) -> f64 {
    if present { 1. } else { 0. }
}

/// Fits a ridge regression whose intercept is not penalised: minimises
/// `Σ w (y - b - c·z)² + alpha ‖c‖²`.
///
/// The covariance is `A⁻¹ (Σ w² r² z zᵀ) A⁻¹` with the matrix A of the normal equations, centred z,
/// and the residuals r that each sample would have without being fitted (HC3: MacKinnon & White
/// 1985).
pub fn ridge(samples: &[Sample], y: &[f64], alpha: f64) -> Line {
    let n = samples.first().map_or(0, |sample| sample.present.len());
    let total: f64 = samples.iter().map(|sample| sample.weight).sum();
    let mean = |value: &dyn Fn(usize) -> f64| {
        samples.iter().enumerate().map(|(i, s)| s.weight * value(i)).sum::<f64>() / total
    };
    let y_mean = mean(&|i| y[i]);
    let z_means: Vec<f64> =
        (0..n).map(|unit| mean(&|i| indicator(samples[i].present[unit]))).collect();
    let centred: Vec<Vec<f64>> = samples
        .iter()
        .map(|sample| sample.present.iter().zip(&z_means).map(|(&z, m)| indicator(z) - m).collect())
        .collect();
    let (factor, rhs) = normal_equations(samples, &centred, |i| y[i] - y_mean, alpha);
    let coefficients = solve(&factor, rhs);
    let (mut residual, mut variance) = (0., 0.);
    let mut covariance = vec![vec![0.; n]; n];
    for ((sample, z), y) in samples.iter().zip(&centred).zip(y) {
        let own = y - y_mean - dot(z, &coefficients);
        residual += sample.weight * own.powi(2);
        variance += sample.weight * (y - y_mean).powi(2);
        let weighted = z.iter().map(|z| z * sample.weight).collect();
        let influence = solve(&factor, weighted);
        let leverage = dot(z, &influence) + sample.weight / total;
        let left_out = (own / (1. - leverage.min(MAX_LEVERAGE))).powi(2);
        for (row, a) in covariance.iter_mut().zip(&influence) {
            row.iter_mut().zip(&influence).for_each(|(cell, b)| *cell += left_out * a * b);
        }
    }
    let r2 = if variance > 0. { 1. - residual / variance } else { 1. };
    Line { intercept: y_mean - dot(&z_means, &coefficients), coefficients, r2, covariance }
}

/// A sample of leverage 1 determines its own fit, and has no residual.
const MAX_LEVERAGE: f64 = 0.99;

/// Minimum penalty, relative to the largest diagonal entry. It selects the smallest solution if
/// there are too few samples to tell the units apart, which leaves the matrix singular.
const RIDGE: f64 = 1e-12;

/// Returns the Cholesky factor of `Σ w z zᵀ + alpha I`, and `Σ w z y`.
fn normal_equations(
    samples: &[Sample],
    z: &[Vec<f64>],
    y: impl Fn(usize) -> f64,
    alpha: f64,
) -> (Vec<Vec<f64>>, Vec<f64>) {
    let n = z.first().map_or(0, Vec::len);
    let mut matrix = vec![vec![0.; n]; n];
    let mut rhs = vec![0.; n];
    for (number, (sample, z)) in samples.iter().zip(z).enumerate() {
        for (i, zi) in z.iter().enumerate() {
            let weighted = sample.weight * zi;
            matrix[i][..=i].iter_mut().zip(z).for_each(|(cell, zj)| *cell += weighted * zj);
            rhs[i] += weighted * y(number);
        }
    }
    let largest = (0..n).map(|i| matrix[i][i]).fold(0., f64::max);
    (0..n).for_each(|i| matrix[i][i] += alpha.max(RIDGE * largest));
    (cholesky(matrix), rhs)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Factors a positive definite matrix, given by its lower triangle, as `L Lᵀ`.
fn cholesky(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..a.len() {
        for j in 0..=i {
            let rest = a[i][j] - dot(&a[i][..j], &a[j][..j]);
            a[i][j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / a[j][j] };
        }
    }
    a
}

/// Solves `L Lᵀ x = b`.
fn solve(lower: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        b[i] = (b[i] - dot(&lower[i][..i], &b[..i])) / lower[i][i];
    }
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| lower[k][i] * b[k]).sum();
        b[i] = (b[i] - inner) / lower[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    fn all_samples(n: usize) -> Vec<Sample> {
        (0..1 << n)
            .map(|mask: usize| Sample {
                present: (0..n).map(|i| mask >> i & 1 == 1).collect(),
                weight: 1. + (mask % 3) as f64,
            })
            .collect()
    }

    fn linear(sample: &Sample) -> f64 {
        sample.present.iter().zip([2., -1., 0.5]).map(|(&z, c)| indicator(z) * c).sum()
    }

    #[test]
    fn ridge_recovers_a_linear_function() {
        let samples = all_samples(3);
        let y: Vec<f64> = samples.iter().map(|sample| 0.25 + linear(sample)).collect();
        let line = ridge(&samples, &y, 1e-12);
        for (found, expected) in line.coefficients.iter().zip([2., -1., 0.5]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert!((line.intercept - 0.25).abs() < 1e-9 && (line.r2 - 1.).abs() < 1e-9);
        assert!(line.covariance.iter().flatten().all(|cell| cell.abs() < 1e-18));
    }

    #[test]
    fn standard_errors_cover_the_coefficients_of_all_samples() {
        let all = all_samples(3);
        let value = |sample: &Sample| {
            linear(sample) + if sample.present[0] && sample.present[1] { 1. } else { 0. }
        };
        let y: Vec<f64> = all.iter().map(value).collect();
        let uniform: Vec<Sample> =
            all.iter().map(|sample| Sample { weight: 1., ..sample.clone() }).collect();
        let exact = ridge(&uniform, &y, 0.).coefficients;
        let (runs, mut covered) = (400, 0);
        for run in 0..runs {
            let mut generator = Generator::stream(2, run);
            let drawn: Vec<usize> = (0..60).map(|_| generator.below(all.len())).collect();
            let samples: Vec<Sample> = drawn.iter().map(|&i| uniform[i].clone()).collect();
            let y: Vec<f64> = drawn.iter().map(|&i| y[i]).collect();
            let line = ridge(&samples, &y, 0.);
            covered += (0..3)
                .filter(|&i| {
                    let error = line.covariance[i][i].sqrt();
                    (line.coefficients[i] - exact[i]).abs() <= 2. * error
                })
                .count();
        }
        let share = covered as f64 / (3 * runs) as f64;
        assert!((share - 0.95).abs() < 0.03, "{share}");
    }
}
