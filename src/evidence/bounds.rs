//! Confidence bounds for a proportion measured on samples, from the Kullback-Leibler divergence
//! of Bernoulli distributions.

/// Bisection steps per bound: enough for the precision of an f64.
const BISECTIONS: usize = 60;

/// `KL(Bernoulli(p) ‖ Bernoulli(q))`
fn divergence(p: f64, q: f64) -> f64 {
    let term = |p: f64, q: f64| if p == 0. { 0. } else { p * (p / q).ln() };
    term(p, q) + term(1. - p, 1. - q)
}

/// Returns the smallest `q` with `count · KL(mean ‖ q) <= level` (Kaufmann & Kalyanakrishnan
/// 2013).
pub fn lower(mean: f64, count: usize, level: f64) -> f64 {
    edge(mean, 0., level / count as f64)
}

/// Returns the largest such `q`.
pub fn upper(mean: f64, count: usize, level: f64) -> f64 {
    edge(mean, 1., level / count as f64)
}

/// Returns the point between `mean` and `end` where the divergence reaches `limit`, or `end`.
fn edge(mean: f64, end: f64, limit: f64) -> f64 {
    let (mut inside, mut outside) = (mean, end);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(inside, outside);
        match divergence(mean, middle) <= limit {
            true => inside = middle,
            false => outside = middle,
        }
    }
    inside
}

/// Returns bounds that contain the true proportion with probability at least `1 - delta`, for a
/// fixed number of samples (Chernoff bound on each side).
pub fn interval(mean: f64, count: usize, delta: f64) -> (f64, f64) {
    let level = (2. / delta).ln();
    (lower(mean, count, level), upper(mean, count, level))
}

/// Returns the exploration rate of KL-LUCB for `arms` arms in round `round`, valid for all rounds
/// together (Kaufmann & Kalyanakrishnan 2013, theorem 1, with α = 1.1 and k₁ = 405.5).
pub fn exploration(arms: usize, round: usize, delta: f64) -> f64 {
    let level = (405.5 * arms as f64 * (round as f64).powf(1.1) / delta).ln();
    level + level.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_at_the_bounds_equals_the_level() {
        // For a mean of 1, the closed form is q^n = exp(-level).
        let level = (2.0_f64 / 0.05).ln();
        assert!((lower(1., 100, level) - (-level / 100.).exp()).abs() < 1e-12);
        assert!((upper(0., 100, level) - (1. - (-level / 100.).exp())).abs() < 1e-12);
        assert_eq!((lower(0., 10, level), upper(1., 10, level)), (0., 1.));
        let (low, high) = interval(0.9, 200, 0.05);
        for end in [low, high] {
            assert!((200. * divergence(0.9, end) - level).abs() < 1e-6, "{end}");
        }
        assert!(low < 0.9 && 0.9 < high);
    }
}
