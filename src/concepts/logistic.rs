//! Logistic regression by Newton's method on the inner products of the samples, with the penalty
//! `½‖w‖²` (Zhu & Hastie 2005; Rasmussen & Williams 2006, algorithm 3.1).

use crate::rows::dot;

const MAX_ITERATIONS: usize = 100;

/// Stops when the loss falls by less than this share of it.
const TOLERANCE: f64 = 1e-14;

/// Returns the weights a of the samples and the intercept b that minimise
/// `Σ log(1 + exp(-y_i f_i)) + ½ aᵀ K a` with `f = K a + b` and y = ±1.
pub fn fit(kernel: impl Fn(usize, usize) -> f64, labels: &[bool]) -> (Vec<f64>, f64) {
    let n = labels.len();
    let kernel: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| kernel(i, j)).collect()).collect();
    let mut at = Point::new(&kernel, vec![0.; n], 0., labels);
    for _ in 0..MAX_ITERATIONS {
        let (weights, intercept) = newton(&kernel, &at, labels);
        let Some(next) = at.towards(&kernel, &weights, intercept, labels) else { break };
        let gain = at.loss - next.loss;
        at = next;
        if gain <= TOLERANCE * at.loss {
            break;
        }
    }
    (at.weights, at.intercept)
}

struct Point {
    weights: Vec<f64>,
    intercept: f64,
    /// `f`, one per sample.
    values: Vec<f64>,
    loss: f64,
}

impl Point {
    fn new(kernel: &[Vec<f64>], weights: Vec<f64>, intercept: f64, labels: &[bool]) -> Self {
        let along: Vec<f64> = kernel.iter().map(|row| dot(row, &weights)).collect();
        let values: Vec<f64> = along.iter().map(|value| value + intercept).collect();
        let signed = values.iter().zip(labels).map(|(f, label)| if *label { -f } else { *f });
        // log(1 + exp(x)) without overflow
        let loss: f64 = signed.map(|x| x.max(0.) + (-x.abs()).exp().ln_1p()).sum();
        let loss = loss + dot(&weights, &along) / 2.;
        Self { weights, intercept, values, loss }
    }

    /// Returns the first point with a smaller loss on the way to others: all of it, a half, a quarter
    /// and so on.
    fn towards(
        &self,
        kernel: &[Vec<f64>],
        weights: &[f64],
        intercept: f64,
        labels: &[bool],
    ) -> Option<Self> {
        let at = |share: f64| {
            let between = |from: f64, to: f64| from + share * (to - from);
            let weights = self.weights.iter().zip(weights).map(|(a, b)| between(*a, *b)).collect();
            Self::new(kernel, weights, between(self.intercept, intercept), labels)
        };
        (0..20).map(|halvings| at(0.5_f64.powi(halvings))).find(|next| next.loss < self.loss)
    }
}

/// Returns the minimum of the quadratic approximation of the loss at a point: with probabilities p,
/// `W = p (1 - p)` and `z = f + (t - p) / W`, the solution of `(K + W⁻¹) a + b = z`, `Σ a = 0`.
fn newton(kernel: &[Vec<f64>], at: &Point, labels: &[bool]) -> (Vec<f64>, f64) {
    let n = labels.len();
    let probability: Vec<f64> = at.values.iter().map(|f| 1. / (1. + (-f).exp())).collect();
    // A floor keeps z finite where p is 0 or 1.
    let curvature: Vec<f64> = probability.iter().map(|p| (p * (1. - p)).max(1e-12)).collect();
    let root: Vec<f64> = curvature.iter().map(|w| w.sqrt()).collect();
    let target = |i: usize| if labels[i] { 1. } else { 0. };
    let z: Vec<f64> =
        (0..n).map(|i| at.values[i] + (target(i) - probability[i]) / curvature[i]).collect();
    let entry =
        |i: usize, j: usize| root[i] * kernel[i][j] * root[j] + if i == j { 1. } else { 0. };
    let factor = cholesky(n, entry);
    // a = W½ (I + W½ K W½)⁻¹ W½ (z - b)
    let solved = |right: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let mut solution: Vec<f64> = (0..n).map(|i| root[i] * right(i)).collect();
        solve(&factor, &mut solution);
        solution.iter().zip(&root).map(|(x, root)| x * root).collect()
    };
    let (of_z, of_ones) = (solved(&|i| z[i]), solved(&|_| 1.));
    let intercept = of_z.iter().sum::<f64>() / of_ones.iter().sum::<f64>();
    (of_z.iter().zip(&of_ones).map(|(z, one)| z - intercept * one).collect(), intercept)
}

/// Returns the lower factor of a symmetric matrix whose eigenvalues are at least 1.
fn cholesky(n: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(n);
    for i in 0..n {
        let mut row: Vec<f64> = Vec::with_capacity(i + 1);
        for (j, above) in factor.iter().enumerate() {
            row.push((entry(i, j) - dot(&row[..j], &above[..j])) / above[j]);
        }
        row.push((entry(i, i) - dot(&row, &row)).sqrt());
        factor.push(row);
    }
    factor
}

/// Solves `L Lᵀ x = right` in place.
fn solve(factor: &[Vec<f64>], right: &mut [f64]) {
    for (i, row) in factor.iter().enumerate() {
        right[i] = (right[i] - dot(&row[..i], &right[..i])) / row[i];
    }
    for i in (0..factor.len()).rev() {
        let below = (i + 1..factor.len()).map(|k| factor[k][i] * right[k]).sum::<f64>();
        right[i] = (right[i] - below) / factor[i][i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one dimension with points at ±1 and equal labels on each side, the intercept is 0 and the
    /// weight is the root of `w = n / (1 + exp(w))`.
    #[test]
    fn a_case_worked_out_by_hand() {
        let (x, labels) = ([1., 1., -1., -1.], [true, true, false, false]);
        let (weights, intercept) = fit(|i, j| x[i] * x[j], &labels);
        let w = dot(&weights, &x);
        assert!((w - 4. / (1. + w.exp())).abs() < 1e-12, "{w}");
        assert!(intercept.abs() < 1e-12 && weights.iter().sum::<f64>().abs() < 1e-12);
    }

    /// The gradient of the loss with respect to the weights of the features is zero.
    #[test]
    fn labels_that_overlap_and_differ_in_number() {
        let x = [[0.5, 1.], [2., -0.5], [1.5, 1.5], [-1., 0.], [0., -2.], [0.4, 0.9], [-2., 1.]];
        let labels = [true, true, true, false, false, false, false];
        let (weights, intercept) = fit(|i, j| dot(&x[i], &x[j]), &labels);
        let w = [0, 1].map(|k| (0..7).map(|i| weights[i] * x[i][k]).sum::<f64>());
        let p = x.map(|x| 1. / (1. + (-dot(&x, &w) - intercept).exp()));
        let rest: Vec<f64> = (0..7).map(|i| p[i] - if labels[i] { 1. } else { 0. }).collect();
        assert!(rest.iter().sum::<f64>().abs() < 1e-9, "{rest:?}");
        for k in 0..2 {
            let slope: f64 = w[k] + (0..7).map(|i| rest[i] * x[i][k]).sum::<f64>();
            assert!(slope.abs() < 1e-9, "{slope}");
        }
    }

    #[test]
    fn equal_samples_have_no_direction() {
        let (weights, intercept) = fit(|_, _| 0., &[true, true, true, false]);
        assert!((intercept - 3_f64.ln()).abs() < 1e-9, "{intercept}");
        assert!(weights.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn well_separated_samples_converge() {
        let x = [1e4, 2e4, -1e4, -3e4];
        let (weights, _) = fit(|i, j| x[i] * x[j], &[true, true, false, false]);
        let w = dot(&weights, &x);
        assert!(w > 0. && w.is_finite(), "{w}");
    }
}
