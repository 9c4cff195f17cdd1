//! Weighted least squares over the presence of units: the surrogate models of LIME and KernelSHAP.

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
}

fn indicator(present: bool) -> f64 {
    if present { 1. } else { 0. }
}

/// Fits a ridge regression whose intercept is not penalised: minimises
/// `Σ w (y - b - c·z)² + alpha ‖c‖²`.
pub fn ridge(samples: &[Sample], y: &[f64], alpha: f64) -> Line {
    let n = samples.first().map_or(0, |sample| sample.present.len());
    let total: f64 = samples.iter().map(|sample| sample.weight).sum();
    let mean = |value: &dyn Fn(usize) -> f64| {
        samples.iter().enumerate().map(|(i, s)| s.weight * value(i)).sum::<f64>() / total
    };
    let y_mean = mean(&|i| y[i]);
    let z_means: Vec<f64> =
        (0..n).map(|unit| mean(&|i| indicator(samples[i].present[unit]))).collect();
    let centred = |sample: &Sample| -> Vec<f64> {
        sample.present.iter().zip(&z_means).map(|(&z, mean)| indicator(z) - mean).collect()
    };
    let rows = samples.iter().zip(y).map(|(s, y)| (centred(s), y - y_mean, s.weight));
    let penalty = |largest: f64, i, j| if i == j { alpha.max(RIDGE * largest) } else { 0. };
    let coefficients = solve(n, rows, penalty);
    let dot = |z: &[f64]| z.iter().zip(&coefficients).map(|(z, c)| z * c).sum::<f64>();
    let mut residual = 0.;
    let mut variance = 0.;
    for (sample, y) in samples.iter().zip(y) {
        residual += sample.weight * (y - y_mean - dot(&centred(sample))).powi(2);
        variance += sample.weight * (y - y_mean).powi(2);
    }
    let r2 = if variance > 0. { 1. - residual / variance } else { 1. };
    Line { intercept: y_mean - dot(&z_means), coefficients, r2 }
}

/// Returns the coefficients that add up to `sum` and minimise `Σ w (y - c·z)²`; if the samples
/// leave a choice, those nearest to an even split. The deviations from the even split add up to 0:
/// the last one is eliminated, and the remaining problem is unconstrained.
pub fn with_sum(samples: &[Sample], y: &[f64], sum: f64) -> Vec<f64> {
    let n = samples.first().map_or(0, |sample| sample.present.len());
    let Some(last) = n.checked_sub(1) else { return Vec::new() };
    let even = sum / n as f64;
    let rows = samples.iter().zip(y).map(|(sample, y)| {
        let present_count = sample.present.iter().filter(|present| **present).count();
        let z_last = indicator(sample.present[last]);
        let z = sample.present[..last].iter().map(|&z| indicator(z) - z_last).collect();
        (z, y - even * present_count as f64, sample.weight)
    });
    // The square of the last deviation is the square of the sum of the others.
    let penalty = |largest: f64, i, j| RIDGE * largest * if i == j { 2. } else { 1. };
    let mut deviations = solve(last, rows, penalty);
    deviations.push(-deviations.iter().sum::<f64>());
    deviations.into_iter().map(|deviation| even + deviation).collect()
}

/// Minimum ridge penalty, relative to the largest diagonal entry. It selects the smallest solution
/// if there are too few samples to tell the units apart, which leaves the matrix singular.
const RIDGE: f64 = 1e-12;

/// Solves `(Σ w z zᵀ + P) c = Σ w z y` for c, `[n]`. `penalty` returns the entries of P, given the
/// largest diagonal entry.
fn solve(
    n: usize,
    rows: impl Iterator<Item = (Vec<f64>, f64, f64)>,
    penalty: impl Fn(f64, usize, usize) -> f64,
) -> Vec<f64> {
    let mut matrix = vec![vec![0.; n]; n];
    let mut rhs = vec![0.; n];
    for (z, y, weight) in rows {
        for (i, &zi) in z.iter().enumerate().filter(|(_, z)| **z != 0.) {
            let weighted = weight * zi;
            matrix[i][..=i].iter_mut().zip(&z).for_each(|(cell, zj)| *cell += weighted * zj);
            rhs[i] += weighted * y;
        }
    }
    let largest = (0..n).map(|i| matrix[i][i]).fold(0., f64::max);
    for (i, row) in matrix.iter_mut().enumerate() {
        row[..=i].iter_mut().enumerate().for_each(|(j, cell)| *cell += penalty(largest, i, j));
    }
    cholesky_solve(matrix, rhs)
}

/// Solves `A x = b` for a positive definite A, given by its lower triangle.
fn cholesky_solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let rest = a[i][j] - inner;
            a[i][j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / a[j][j] };
        }
    }
    for i in 0..n {
        let inner: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - inner) / a[i][i];
    }
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - inner) / a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn the_sum_holds_for_any_samples() {
        let samples = all_samples(3);
        let y: Vec<f64> = samples.iter().map(linear).collect();
        let exact = with_sum(&samples, &y, 1.5);
        assert!((exact[0] - 2.).abs() < 1e-9 && (exact[1] + 1.).abs() < 1e-9);
        // These samples determine only the first coefficient, 2 of 7: the others share the rest,
        // whichever of them is eliminated.
        let few = with_sum(&samples[..2], &y[..2], 7.);
        for (found, expected) in few.iter().zip([2., 2.5, 2.5]) {
            assert!((found - expected).abs() < 1e-3, "{few:?}");
        }
        // This sample determines no coefficient.
        let none = with_sum(&samples[..1], &y[..1], 6.);
        assert_eq!(none, [2., 2., 2.]);
    }
}
