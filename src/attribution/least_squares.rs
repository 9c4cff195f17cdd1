//! Small weighted least squares over which units are there: the surrogates of
//! LIME and KernelSHAP.

/// One perturbed input: which units are there, and what counts how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub present: Vec<bool>,
    pub weight: f64,
}

/// A linear function of the units.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub coefficients: Vec<f64>,
    pub intercept: f64,
    /// Weighted coefficient of determination.
    pub r2: f64,
}

fn number(present: bool) -> f64 {
    if present { 1. } else { 0. }
}

/// Ridge regression with an intercept that is not penalised: minimises
/// `Σ w (y - b - c·z)² + alpha ‖c‖²`.
pub fn ridge(samples: &[Sample], y: &[f64], alpha: f64) -> Line {
    let n = samples.first().map_or(0, |sample| sample.present.len());
    let total: f64 = samples.iter().map(|sample| sample.weight).sum();
    let mean = |value: &dyn Fn(usize) -> f64| {
        samples.iter().enumerate().map(|(i, s)| s.weight * value(i)).sum::<f64>() / total
    };
    let y_mean = mean(&|i| y[i]);
    let z_means: Vec<f64> =
        (0..n).map(|unit| mean(&|i| number(samples[i].present[unit]))).collect();
    let centred = |sample: &Sample| -> Vec<f64> {
        sample.present.iter().zip(&z_means).map(|(&z, mean)| number(z) - mean).collect()
    };
    let rows = samples.iter().zip(y).map(|(s, y)| (centred(s), y - y_mean, s.weight));
    let penalty = |largest: f64, i, j| if i == j { alpha.max(BREATH * largest) } else { 0. };
    let coefficients = solve(n, rows, penalty);
    let along = |z: &[f64]| z.iter().zip(&coefficients).map(|(z, c)| z * c).sum::<f64>();
    let mut left = 0.;
    let mut all = 0.;
    for (sample, y) in samples.iter().zip(y) {
        left += sample.weight * (y - y_mean - along(&centred(sample))).powi(2);
        all += sample.weight * (y - y_mean).powi(2);
    }
    let r2 = if all > 0. { 1. - left / all } else { 1. };
    Line { intercept: y_mean - along(&z_means), coefficients, r2 }
}

/// The coefficients that add up to `sum` and minimise `Σ w (y - c·z)²`; where the
/// samples leave a choice, those nearest to an even split. What each has beyond the even
/// split adds up to 0: the last one's is taken out, and what is left has no constraint.
pub fn with_sum(samples: &[Sample], y: &[f64], sum: f64) -> Vec<f64> {
    let n = samples.first().map_or(0, |sample| sample.present.len());
    let Some(last) = n.checked_sub(1) else { return Vec::new() };
    let even = sum / n as f64;
    let rows = samples.iter().zip(y).map(|(sample, y)| {
        let there = sample.present.iter().filter(|present| **present).count();
        let z_last = number(sample.present[last]);
        let z = sample.present[..last].iter().map(|&z| number(z) - z_last).collect();
        (z, y - even * there as f64, sample.weight)
    });
    // The last one's square is the square of the others' sum.
    let penalty = |largest: f64, i, j| BREATH * largest * if i == j { 2. } else { 1. };
    let mut beyond = solve(last, rows, penalty);
    beyond.push(-beyond.iter().sum::<f64>());
    beyond.into_iter().map(|beyond| even + beyond).collect()
}

/// Samples too few to tell the units apart leave a matrix singular: so much of its
/// largest entry makes the smallest answer the one.
const BREATH: f64 = 1e-12;

/// `(Σ w z zᵀ + P) c = Σ w z y`, `[n]`; `penalty` gives P, from the largest entry on the
/// diagonal.
fn solve(
    n: usize,
    rows: impl Iterator<Item = (Vec<f64>, f64, f64)>,
    penalty: impl Fn(f64, usize, usize) -> f64,
) -> Vec<f64> {
    let mut matrix = vec![vec![0.; n]; n];
    let mut right = vec![0.; n];
    for (z, y, weight) in rows {
        for (i, &zi) in z.iter().enumerate().filter(|(_, z)| **z != 0.) {
            let along = weight * zi;
            matrix[i][..=i].iter_mut().zip(&z).for_each(|(cell, zj)| *cell += along * zj);
            right[i] += along * y;
        }
    }
    let largest = (0..n).map(|i| matrix[i][i]).fold(0., f64::max);
    for (i, row) in matrix.iter_mut().enumerate() {
        row[..=i].iter_mut().enumerate().for_each(|(j, cell)| *cell += penalty(largest, i, j));
    }
    cholesky_solve(matrix, right)
}

/// Solves `A x = b` of a positive definite A, given by its lower half.
fn cholesky_solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let left = a[i][j] - inner;
            a[i][j] = if i == j { left.max(f64::MIN_POSITIVE).sqrt() } else { left / a[j][j] };
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

    fn every(n: usize) -> Vec<Sample> {
        (0..1 << n)
            .map(|mask: usize| Sample {
                present: (0..n).map(|i| mask >> i & 1 == 1).collect(),
                weight: 1. + (mask % 3) as f64,
            })
            .collect()
    }

    fn linear(sample: &Sample) -> f64 {
        sample.present.iter().zip([2., -1., 0.5]).map(|(&z, c)| number(z) * c).sum()
    }

    #[test]
    fn a_line_is_found_again() {
        let samples = every(3);
        let y: Vec<f64> = samples.iter().map(|sample| 0.25 + linear(sample)).collect();
        let line = ridge(&samples, &y, 1e-12);
        for (found, expected) in line.coefficients.iter().zip([2., -1., 0.5]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert!((line.intercept - 0.25).abs() < 1e-9 && (line.r2 - 1.).abs() < 1e-9);
    }

    #[test]
    fn the_sum_holds_whatever_the_samples() {
        let samples = every(3);
        let y: Vec<f64> = samples.iter().map(linear).collect();
        let exact = with_sum(&samples, &y, 1.5);
        assert!((exact[0] - 2.).abs() < 1e-9 && (exact[1] + 1.).abs() < 1e-9);
        // All that is known is that the first one has 2 of the 7: the others share the
        // rest, whichever of them is the last.
        let few = with_sum(&samples[..2], &y[..2], 7.);
        for (found, expected) in few.iter().zip([2., 2.5, 2.5]) {
            assert!((found - expected).abs() < 1e-3, "{few:?}");
        }
        // Nothing is known of any.
        let none = with_sum(&samples[..1], &y[..1], 6.);
        assert_eq!(none, [2., 2., 2.]);
    }
}
