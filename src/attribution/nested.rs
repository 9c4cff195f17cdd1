//! The trapezoid rule on `[0, 1]` with Gregory's first end correction, for a
//! number of nodes that doubles: each rule uses every node of the one before.
//!
//! A path's gradient lives in a band away from its ends; there equal spacing
//! converges faster than any power of the step, and the correction lowers what
//! the ends leave. Measured on the built-in models it needs a fifth to a third
//! fewer gradients than nested midpoints, and a third to a quarter of
//! Gauss-Legendre's usual 50, for an error of a percent.

/// The first rule, and the smallest that the correction fits.
const FIRST: usize = 9;
const SMALLEST: usize = 5;

/// A rule of `n = 2^j + 1` nodes at `k / (n - 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub n: usize,
}

impl Rule {
    /// The rules from the first on, of at most `max` nodes.
    pub fn up_to(max: usize) -> impl Iterator<Item = Self> {
        let doubled = |n: &usize| Some(2 * n - 1);
        std::iter::successors(Some(FIRST), doubled)
            .take_while(move |n| *n <= max)
            .map(|n| Self { n })
    }

    /// The nodes of the largest such rule.
    pub fn most(max: usize) -> usize {
        Self::up_to(max).last().map_or(FIRST, |rule| rule.n)
    }

    /// The rule that this one contains: every other node.
    pub fn before(self) -> Self {
        Self { n: (self.n / 2 + 1).max(SMALLEST) }
    }

    /// Where its nodes lie.
    pub fn alphas(self) -> impl Iterator<Item = f64> {
        (0..self.n).map(move |k| k as f64 / (self.n - 1) as f64)
    }

    /// The nodes that the rule before lacks, or all of the first rule's.
    pub fn fresh(self) -> impl Iterator<Item = f64> {
        let step = if self.n == FIRST { 1 } else { 2 };
        self.alphas().skip(step - 1).step_by(step)
    }

    /// The weight of node `k`: `h` times 5/12, 13/12, 1, …, 1, 13/12, 5/12.
    pub fn weight(self, k: usize) -> f64 {
        let factor = match k.min(self.n - 1 - k) {
            0 => 5. / 12.,
            1 => 13. / 12.,
            _ => 1.,
        };
        factor / (self.n - 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integrate(n: usize, f: impl Fn(f64) -> f64) -> f64 {
        let rule = Rule { n };
        rule.alphas().enumerate().map(|(k, alpha)| rule.weight(k) * f(alpha)).sum()
    }

    #[test]
    fn rules_double_within_the_bound() {
        let sizes = |max| Rule::up_to(max).map(|rule| rule.n).collect::<Vec<_>>();
        assert_eq!(sizes(135), [9, 17, 33, 65, 129]);
        assert_eq!(sizes(16), [9]);
        assert_eq!(Rule::most(135), 129);
        assert_eq!(Rule { n: 17 }.before().n, 9);
        assert_eq!(Rule { n: 9 }.before().n, 5);
    }

    #[test]
    fn a_rule_is_the_one_before_and_its_fresh_nodes() {
        for rule in Rule::up_to(135).skip(1) {
            let mut nodes: Vec<f64> = rule.before().alphas().chain(rule.fresh()).collect();
            nodes.sort_by(f64::total_cmp);
            assert_eq!(nodes, rule.alphas().collect::<Vec<_>>());
        }
        assert_eq!(Rule { n: 9 }.fresh().count(), 9);
    }

    #[test]
    fn lines_are_exact_and_a_band_converges_fast() {
        for n in [5, 9, 17, 129] {
            assert!((integrate(n, |_| 1.) - 1.).abs() < 1e-14);
            assert!((integrate(n, |x| x) - 0.5).abs() < 1e-14);
        }
        // A logistic step at 0.4, as the output along a path: its slope's mass.
        let sigma = |x: f64| 1. / (1. + (-18. * (x - 0.4)).exp());
        let slope = |x: f64| 18. * sigma(x) * (1. - sigma(x));
        let exact = sigma(1.) - sigma(0.);
        assert!((integrate(17, slope) - exact).abs() < 1e-3);
        assert!((integrate(33, slope) - exact).abs() < 1e-5);
    }
}
