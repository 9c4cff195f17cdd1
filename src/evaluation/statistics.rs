//! Statistics of lists of scores.

/// Returns the ranks, from 1. Ties share their mean rank.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.; values.len()];
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // The index of the group's first member in sorted order.
        let first = order.iter().position(|index| index == &tied[0]).unwrap_or_default();
        let mean = first as f64 + (tied.len() + 1) as f64 / 2.;
        tied.iter().for_each(|&index| ranks[index] = mean);
    }
    ranks
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns Pearson's correlation; `None` if a side is constant.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |term: &dyn Fn(f64, f64) -> f64| {
        a.iter().zip(b).map(|(a, b)| term(a - mean_a, b - mean_b)).sum::<f64>()
    };
    let sizes = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    (sizes > 0.).then(|| sum(&|a, b| a * b) / sizes)
}

/// Returns Spearman's rank correlation; `None` if a side is constant.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    correlation(&ranks(a), &ranks(b))
}

/// Returns Kendall's tau-b, which accounts for ties; `None` if a side is constant.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mut concordance, mut untied_a, mut untied_b) = (0., 0., 0.);
    for i in 0..a.len() {
        for j in 0..i {
            let order = |values: &[f64]| match values[i].total_cmp(&values[j]) {
                _ if values[i] == values[j] => 0.,
                std::cmp::Ordering::Greater => 1.,
                _ => -1.,
            };
            let (of_a, of_b): (f64, f64) = (order(a), order(b));
            concordance += of_a * of_b;
            untied_a += of_a.abs();
            untied_b += of_b.abs();
        }
    }
    let pairs: f64 = untied_a * untied_b;
    (pairs > 0.).then(|| concordance / pairs.sqrt())
}

/// Returns the shares of the sum of magnitudes; `None` if all values are 0.
fn shares(values: &[f64]) -> Option<Vec<f64>> {
    let sum: f64 = values.iter().map(|value| value.abs()).sum();
    (sum > 0.).then(|| values.iter().map(|value| value.abs() / sum).collect())
}

/// Returns the entropy of the shares of magnitude, in nats.
pub fn entropy(values: &[f64]) -> Option<f64> {
    let terms = shares(values)?.into_iter().filter(|share| *share > 0.);
    Some(terms.map(|share| -share * share.ln()).sum())
}

/// Returns the Gini coefficient of the magnitudes: 0 if all are equal, near 1 if one dominates.
pub fn gini(values: &[f64]) -> Option<f64> {
    let mut shares = shares(values)?;
    shares.sort_by(f64::total_cmp);
    let n = shares.len() as f64;
    let term = |(i, share): (usize, &f64)| share * (n - i as f64 - 0.5) / n;
    Some(1. - 2. * shares.iter().enumerate().map(term).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} {expected}");
    }

    #[test]
    fn correlations_match_scipy() {
        let a = [1., 2., 2., 5., -1., 0.];
        let b = [2., 1., 3., 3., 0., -4.];
        close(kendall(&a, &b), 0.642_857_142_857_142_9);
        close(spearman(&a, &b), 0.808_823_529_411_764_7);
        assert_eq!(kendall(&a, &[1.; 6]), None);
        assert_eq!(spearman(&[1.; 6], &b), None);
        assert_eq!(ranks(&a), [3., 4.5, 4.5, 6., 1., 2.]);
    }

    #[test]
    fn spread_of_magnitudes() {
        close(entropy(&[1., -1., 1., 1.]), 4f64.ln());
        close(gini(&[1., -1., 1., 1.]), 0.);
        close(gini(&[0., 0., 0., 3.]), 0.75);
        close(entropy(&[0., -2.]), 0.);
        assert_eq!(gini(&[0.; 3]), None);
    }
}
