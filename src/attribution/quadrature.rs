//! Integration rules over `[0, 1]`, with Captum's nodes and weights.

use super::options::{OptionKind, OptionSpec, Preset};
use crate::choice::{Choice, choices};

/// The option for the integration rule.
pub const OPTION: OptionSpec = OptionSpec {
    name: "quadrature",
    kind: OptionKind::Choice(Quadrature::NAMES),
    default: Preset::Name("gausslegendre"),
    help: "Where the path is sampled. riemann_trapezoid keeps Captum's weights, which sum to \
           (n_steps - 1) / n_steps and so leave a delta of 1 / n_steps of the change.",
};

choices! {
    /// A rule, by Captum's name.
    pub enum Quadrature {
        GaussLegendre = "gausslegendre",
        RiemannLeft = "riemann_left",
        RiemannRight = "riemann_right",
        RiemannMiddle = "riemann_middle",
        RiemannTrapezoid = "riemann_trapezoid",
    }
}

/// A point of the path and its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    pub alpha: f64,
    pub weight: f64,
}

/// Returns the `n` nodes of the rule, in ascending order.
pub fn nodes(rule: Quadrature, n: usize) -> Vec<Node> {
    let count = n as f64;
    let even = |first: f64, step: f64| -> Vec<Node> {
        (0..n).map(|i| Node { alpha: first + step * i as f64, weight: 1. / count }).collect()
    };
    match rule {
        Quadrature::GaussLegendre => gauss_legendre(n),
        Quadrature::RiemannLeft => even(0., 1. / count),
        Quadrature::RiemannRight => even(1. / count, 1. / count),
        Quadrature::RiemannMiddle => even(0.5 / count, 1. / count),
        Quadrature::RiemannTrapezoid => trapezoid(even(0., 1. / (count - 1.).max(1.))),
    }
}

/// Captum's trapezoid rule: `n` nodes from 0 to 1 with weights 1/n, and half of that at the ends.
/// The standard rule has weights 1/(n - 1).
fn trapezoid(mut nodes: Vec<Node>) -> Vec<Node> {
    let last = nodes.len().saturating_sub(1);
    for end in [0, last] {
        if let Some(node) = nodes.get_mut(end) {
            node.weight /= 2.;
        }
    }
    nodes
}

/// Gauss-Legendre on `[0, 1]`. The nodes are the roots of the Legendre polynomial P_n, found by
/// Newton's method from Chebyshev-like guesses. The weights are `1 / ((1 - x²) P'_n(x)²)`, half of
/// those on `[-1, 1]`.
fn gauss_legendre(n: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..n)
        .map(|i| {
            let guess = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let (x, slope) = root(n, guess);
            Node { alpha: (1. + x) / 2., weight: 1. / ((1. - x * x) * slope * slope) }
        })
        .collect();
    nodes.reverse();
    nodes
}

/// Returns the root of P_n near `x`, and P'_n there.
fn root(n: usize, mut x: f64) -> (f64, f64) {
    for _ in 0..100 {
        let (value, slope) = legendre(n, x);
        let step = value / slope;
        x -= step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    (x, legendre(n, x).1)
}

/// Returns P_n(x) and P'_n(x) by the three-term recurrence.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut current) = (0., 1.);
    for k in 1..=n {
        let k = k as f64;
        (previous, current) = (current, ((2. * k - 1.) * x * current - (k - 1.) * previous) / k);
    }
    (current, n as f64 * (x * current - previous) / (x * x - 1.))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, n: usize) -> Vec<Node> {
        nodes(Quadrature::named(name).unwrap(), n)
    }

    fn integrate(nodes: &[Node], f: impl Fn(f64) -> f64) -> f64 {
        nodes.iter().map(|node| node.weight * f(node.alpha)).sum()
    }

    #[test]
    fn gauss_legendre_is_exact_for_polynomials_of_degree_2n_minus_1() {
        for n in [1, 2, 5, 20, 50, 300, 2000] {
            let nodes = rule("gausslegendre", n);
            let degree = (2 * n - 1).min(99) as i32;
            let integral = integrate(&nodes, |x| x.powi(degree));
            assert!((integral - 1. / f64::from(degree + 1)).abs() < 1e-13, "n {n}: {integral}");
            assert!((integrate(&nodes, |_| 1.) - 1.).abs() < 1e-12);
            assert!(nodes.windows(2).all(|pair| pair[0].alpha < pair[1].alpha));
        }
    }

    #[test]
    fn riemann_rules_match_captum() {
        let alphas = |name, n| rule(name, n).iter().map(|node| node.alpha).collect::<Vec<_>>();
        assert_eq!(alphas("riemann_left", 4), [0., 0.25, 0.5, 0.75]);
        assert_eq!(alphas("riemann_right", 4), [0.25, 0.5, 0.75, 1.]);
        assert_eq!(alphas("riemann_middle", 4), [0.125, 0.375, 0.625, 0.875]);
        assert_eq!(alphas("riemann_trapezoid", 5), [0., 0.25, 0.5, 0.75, 1.]);
        let total = integrate(&rule("riemann_trapezoid", 5), |_| 1.);
        assert!((total - 0.8).abs() < 1e-15);
    }
}
