//! From logits to the numbers that are served as probabilities.

use crate::rows::{Output, Scalar};

/// The function between logits and probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputActivation {
    /// One label out of several.
    Softmax,
    /// Each label for itself.
    Sigmoid,
    /// Regression: the logit is the answer.
    None,
}

impl OutputActivation {
    /// The rules of transformers' text-classification pipeline.
    pub fn of(problem_type: Option<&str>, labels: usize) -> Self {
        match (problem_type, labels) {
            (Some("regression"), _) => Self::None,
            (Some("multi_label_classification"), _) | (_, 1) => Self::Sigmoid,
            _ => Self::Softmax,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::None => "none",
        }
    }

    /// `[labels]` → `[labels]`, stable for logits of any size.
    pub fn probabilities(self, logits: &[f64]) -> Vec<f64> {
        match self {
            Self::Softmax => {
                let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = logits.iter().map(|logit| (logit - max).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.into_iter().map(|power| power / sum).collect()
            }
            Self::Sigmoid => logits.iter().map(|logit| 1. / (1. + (-logit).exp())).collect(),
            Self::None => logits.to_vec(),
        }
    }

    /// The gradient of `scalar` with respect to the logits, `[labels]`.
    pub fn gradient(self, scalar: &Scalar, probabilities: &[f64]) -> Vec<f64> {
        let mut grad = vec![0.; probabilities.len()];
        for &(index, weight) in &scalar.terms {
            grad[index] += weight;
        }
        match (scalar.output, self) {
            (Output::Logit, _) | (Output::Probability, Self::None) => {}
            (Output::Probability, Self::Softmax) => {
                let along: f64 = grad.iter().zip(probabilities).map(|(g, p)| g * p).sum();
                for (g, p) in grad.iter_mut().zip(probabilities) {
                    *g = p * (*g - along);
                }
            }
            (Output::Probability, Self::Sigmoid) => {
                for (g, p) in grad.iter_mut().zip(probabilities) {
                    *g *= p * (1. - p);
                }
            }
        }
        grad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_equal_finite_differences() {
        let logits = [0.3, -1.2, 2.0];
        let scalar = Scalar { output: Output::Probability, terms: vec![(0, 1.), (2, -1.)] };
        for activation in
            [OutputActivation::Softmax, OutputActivation::Sigmoid, OutputActivation::None]
        {
            let value = |z: &[f64]| scalar.value(z, &activation.probabilities(z));
            let gradient = activation.gradient(&scalar, &activation.probabilities(&logits));
            for (i, analytic) in gradient.into_iter().enumerate() {
                let shifted = |by: f64| {
                    let mut moved = logits;
                    moved[i] += by;
                    value(&moved)
                };
                let numeric = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                assert!((analytic - numeric).abs() < 1e-8, "{activation:?} {i}");
            }
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        for activation in [OutputActivation::Softmax, OutputActivation::Sigmoid] {
            let probabilities = activation.probabilities(&[1e4, -1e4]);
            assert_eq!(probabilities, [1., 0.]);
        }
    }
}
