//! Integrals of products of cubic splines through equally spaced points.

use crate::attribution::quadrature::{Quadrature, nodes};

/// Returns the weights `w` with which `∫ g dh = Σ_ij w_ij g_i h_j` over `[0, 1]` for the cubic
/// splines through `n` values of g and of h, at least 4; `[n · n]`. At both ends the third
/// derivative is continuous across the first inner point ("not a knot").
pub fn product_weights(n: usize) -> Vec<f64> {
    let curvature = curvatures(n);
    let mut weights = vec![0.; n * n];
    // Three points are exact for a cubic times a quadratic.
    for node in nodes(Quadrature::GaussLegendre, 3) {
        for interval in 0..n - 1 {
            let (value, slope) = at(&curvature, n, interval, node.alpha);
            for (i, value) in value.iter().enumerate().filter(|(_, value)| **value != 0.) {
                for (j, slope) in slope.iter().enumerate() {
                    weights[i * n + j] += node.weight / (n - 1) as f64 * value * slope;
                }
            }
        }
    }
    weights
}

/// Returns, per cardinal spline (1 at one point and 0 at the others), its value and slope at
/// `t` in this interval.
fn at(curvature: &[f64], n: usize, interval: usize, t: f64) -> (Vec<f64>, Vec<f64>) {
    let (step, u) = (1. / (n - 1) as f64, 1. - t);
    let of_point = |point: usize| {
        let is = |index: usize| f64::from(u8::from(index == point));
        let (start, end) = (is(interval), is(interval + 1));
        let (m, k) = (curvature[interval * n + point], curvature[(interval + 1) * n + point]);
        let bend = (u.powi(3) - u) * m + (t.powi(3) - t) * k;
        let turn = (1. - 3. * u * u) * m + (3. * t * t - 1.) * k;
        (u * start + t * end + step * step / 6. * bend, (end - start) / step + step / 6. * turn)
    };
    (0..n).map(of_point).unzip()
}

/// Returns the second derivative at each point of each cardinal spline, `[n points, n splines]`.
fn curvatures(n: usize) -> Vec<f64> {
    let scale = 6. * ((n - 1) * (n - 1)) as f64;
    let (mut matrix, mut right) = (vec![0.; n * n], vec![0.; n * n]);
    for i in 1..n - 1 {
        for (offset, own, value) in [(0, 1., 1.), (1, 4., -2.), (2, 1., 1.)] {
            matrix[i * n + i + offset - 1] = own;
            right[i * n + i + offset - 1] = scale * value;
        }
    }
    for (row, first) in [(0, 0), (n - 1, n - 3)] {
        for (offset, own) in [1., -2., 1.].into_iter().enumerate() {
            matrix[row * n + first + offset] = own;
        }
    }
    solve(&mut matrix, &mut right, n);
    right
}

/// Replaces `right` by `matrix⁻¹ right`, both `[n, n]`, by elimination with pivots.
fn solve(matrix: &mut [f64], right: &mut [f64], n: usize) {
    for column in 0..n {
        let size = |row: &usize| matrix[row * n + column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        for k in 0..n {
            matrix.swap(column * n + k, pivot * n + k);
            right.swap(column * n + k, pivot * n + k);
        }
        let own = matrix[column * n + column];
        for row in (0..n).filter(|row| *row != column) {
            let factor = matrix[row * n + column] / own;
            if factor != 0. {
                for k in 0..n {
                    matrix[row * n + k] -= factor * matrix[column * n + k];
                    right[row * n + k] -= factor * right[column * n + k];
                }
            }
        }
    }
    for row in 0..n {
        let own = matrix[row * n + row];
        right[row * n..(row + 1) * n].iter_mut().for_each(|value| *value /= own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(n: usize, g: impl Fn(f64) -> f64, h: impl Fn(f64) -> f64) -> f64 {
        let (weights, point) = (product_weights(n), |i: usize| i as f64 / (n - 1) as f64);
        let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        pairs.map(|(i, j)| weights[i * n + j] * g(point(i)) * h(point(j))).sum()
    }

    #[test]
    fn cubics_are_exact() {
        for n in [5, 9, 33, 129] {
            let found = integral(n, |x| x.powi(3), |x| x.powi(3));
            assert!((found - 0.5).abs() < 1e-11, "{n}: {found}");
            let found = integral(n, |x| 1. + x * x, |x| 2. - x);
            assert!((found + 4. / 3.).abs() < 1e-11, "{n}: {found}");
        }
    }

    #[test]
    fn smooth_functions_are_nearly_exact() {
        // ∫ e^x d sin(x) from 0 to 1
        let exact = (1_f64.exp() * (1_f64.sin() + 1_f64.cos()) - 1.) / 2.;
        let error = |n| (integral(n, f64::exp, f64::sin) - exact).abs();
        assert!(error(5) < 1e-3 && error(9) < 1e-6, "{} {}", error(5), error(9));
    }
}
