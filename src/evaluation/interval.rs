//! Means and proportions with 95 % intervals.

use super::statistics::mean;
use crate::random::Generator;

/// Number of bootstrap resamples.
const RESAMPLES: usize = 1_000;

/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.959_963_984_540_054;

/// A mean or a proportion and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// The mean of values, with a bootstrap interval (Efron 1979, percentile method). Returns
    /// `None` if there are no values.
    pub fn of(values: &[f64], seed: u64) -> Option<Self> {
        let count = values.len();
        let mut generator = Generator::stream(seed, 0);
        let mut resample =
            |_| (0..count).map(|_| values[generator.below(count)]).sum::<f64>() / count as f64;
        if count == 0 {
            return None;
        }
        let mut means: Vec<f64> = (0..RESAMPLES).map(&mut resample).collect();
        means.sort_by(f64::total_cmp);
        let percentile = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
        Some(Self { mean: mean(values), low: percentile(0.025), high: percentile(0.975) })
    }

    /// The share `hits / count`, with the score interval of Wilson (1927). Returns `None` if
    /// `count` is 0.
    pub fn wilson(hits: usize, count: usize) -> Option<Self> {
        if count == 0 {
            return None;
        }
        let (n, share) = (count as f64, hits as f64 / count as f64);
        let square = QUANTILE * QUANTILE;
        let center = (share + square / (2. * n)) / (1. + square / n);
        let half = QUANTILE / (1. + square / n)
            * (share * (1. - share) / n + square / (4. * n * n)).sqrt();
        // The ends are exact at 0 and 1, where rounding would leave them just outside.
        let low = if hits == 0 { 0. } else { center - half };
        let high = if hits == count { 1. } else { center + half };
        Some(Self { mean: share, low, high })
    }

    /// The mean of `count` values with this sum of squared deviations from it, with Student's
    /// interval (1908). Returns `None` for fewer than two values.
    pub fn student(mean: f64, squares: f64, count: usize) -> Option<Self> {
        let freedom = count.checked_sub(1).filter(|freedom| *freedom > 0)?;
        let error = (squares / freedom as f64 / count as f64).sqrt();
        let half = student_quantile(freedom) * error;
        Some(Self { mean, low: mean - half, high: mean + half })
    }

    /// Returns the smallest magnitude within the interval; 0 if it contains 0.
    pub fn least_magnitude(self) -> f64 {
        self.low.max(-self.high).max(0.)
    }
}

/// The 97.5 % quantile of Student's distribution, from that of the normal one (Abramowitz & Stegun
/// 1964, 26.7.5). The error is below 0.004.
fn student_quantile(freedom: usize) -> f64 {
    /// For 1 and 2 degrees of freedom, where the expansion is too far off.
    const FIRST: [f64; 2] = [12.706_204_736, 4.302_652_73];
    if let Some(&first) = FIRST.get(freedom - 1) {
        return first;
    }
    let (z, v) = (QUANTILE, freedom as f64);
    let terms = [
        (z.powi(3) + z) / 4.,
        (5. * z.powi(5) + 16. * z.powi(3) + 3. * z) / 96.,
        (3. * z.powi(7) + 19. * z.powi(5) + 17. * z.powi(3) - 15. * z) / 384.,
        (79. * z.powi(9) + 776. * z.powi(7) + 1_482. * z.powi(5) - 1_920. * z.powi(3) - 945. * z)
            / 92_160.,
    ];
    terms.iter().zip(1..).map(|(term, power)| term / v.powi(power)).sum::<f64>() + z
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are of scipy.stats: t.ppf, and proportion_confint of statsmodels.
    #[test]
    fn intervals_match_tables() {
        for (freedom, expected) in [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (5, 2.571),
            (10, 2.228),
            (30, 2.042),
            (100, 1.984),
        ] {
            assert!((student_quantile(freedom) - expected).abs() < 0.004, "{freedom}");
        }
        for (hits, count, low, high) in [
            (0, 10, 0., 0.2775),
            (1, 10, 0.0179, 0.4042),
            (5, 10, 0.2366, 0.7634),
            (10, 10, 0.7225, 1.),
        ] {
            let found = Interval::wilson(hits, count).unwrap();
            assert!(
                (found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4,
                "{found:?}"
            );
        }
        // 1, 2, 3: mean 2, standard error 1 / √3.
        let found = Interval::student(2., 2., 3).unwrap();
        assert!((found.high - 2. - 4.302_652_73 / 3f64.sqrt()).abs() < 1e-9, "{found:?}");
        assert_eq!(Interval::student(2., 0., 1), None);
        assert_eq!(Interval::wilson(0, 0), None);
    }

    #[test]
    fn the_least_magnitude_is_zero_if_zero_is_inside() {
        let least = |low, high| Interval { mean: 0., low, high }.least_magnitude();
        assert_eq!((least(-1., 2.), least(0.5, 2.), least(-3., -0.25)), (0., 0.5, 0.25));
    }

    #[test]
    fn intervals_contain_the_mean_and_shrink_with_more_values() {
        let values = |n: usize| (0..n).map(|i| (i % 7) as f64).collect::<Vec<f64>>();
        let width = |n| {
            let found = Interval::of(&values(n), 3).unwrap();
            assert!(found.low <= found.mean && found.mean <= found.high);
            found.high - found.low
        };
        assert!(width(28) > 3. * width(28 * 16));
        assert_eq!(Interval::of(&[], 3), None);
    }
}
