//! The uncertainty of scores as vectors; see [`Attribution::deviations`](super::Attribution).

/// A pivot below this share of the largest variance counts as 0.
const NOTHING: f64 = 1e-12;

/// Returns vectors whose outer products sum to a covariance, `[n, n]`: the columns of its Cholesky
/// factor. It may be singular: scores that add up to a known number have such a covariance.
pub fn of_covariance(mut covariance: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = covariance.len();
    let largest = (0..n).map(|i| covariance[i][i]).fold(0., f64::max);
    let mut vectors = Vec::new();
    for pivot in 0..n {
        let variance = covariance[pivot][pivot];
        if variance <= NOTHING * largest {
            continue;
        }
        let root = variance.sqrt();
        let vector: Vec<f64> =
            (0..n).map(|i| if i < pivot { 0. } else { covariance[i][pivot] / root }).collect();
        for i in pivot + 1..n {
            let factor = vector[i];
            let rest = covariance[i].iter_mut().zip(&vector).skip(pivot + 1);
            rest.for_each(|(cell, other)| *cell -= factor * other);
        }
        vectors.push(vector);
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::of_covariance;

    #[test]
    fn outer_products_sum_to_a_singular_covariance() {
        // Of (a, b - a, -b) with independent a and b.
        let covariance = vec![vec![4., -4., 0.], vec![-4., 5., -1.], vec![0., -1., 1.]];
        let vectors = of_covariance(covariance.clone());
        assert_eq!(vectors.len(), 2);
        for (i, row) in covariance.iter().enumerate() {
            for (j, expected) in row.iter().enumerate() {
                let sum: f64 = vectors.iter().map(|vector| vector[i] * vector[j]).sum();
                assert!((sum - expected).abs() < 1e-12);
            }
        }
        assert!(of_covariance(vec![vec![0.; 2]; 2]).is_empty());
    }
}
