//! Output activations: from logits to the numbers that are served as probabilities.

use crate::rows::{Output, Scalar, dot, norm};

/// An output activation. Logits are `[reads, width]`; a head with pooling has one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputActivation {
    /// Softmax over the labels of each read.
    Softmax,
    /// Softmax over the reads, per label: the start and the end of an answer.
    SoftmaxOverTokens,
    /// Sigmoid of each label.
    Sigmoid,
    /// The logit itself, as in regression.
    None,
}

impl OutputActivation {
    /// Returns the default activation of transformers' text-classification pipeline.
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
            Self::SoftmaxOverTokens => "softmax_over_tokens",
            Self::Sigmoid => "sigmoid",
            Self::None => "none",
        }
    }

    /// Iterates over the groups of outputs that a softmax normalises together.
    fn groups(self, outputs: usize, width: usize) -> impl Iterator<Item = Vec<usize>> {
        let reads = outputs / width.max(1);
        let (count, size, first, step) = match self {
            Self::SoftmaxOverTokens => (width, reads, 1, width),
            _ => (reads, width, width, 1),
        };
        (0..count).map(move |group| (0..size).map(|i| group * first + i * step).collect())
    }

    /// Maps logits to probabilities, `[reads, width]` each; numerically stable for logits of any
    /// size.
    pub fn probabilities(self, logits: &[f64], width: usize) -> Vec<f64> {
        match self {
            Self::Softmax | Self::SoftmaxOverTokens => {
                let mut probabilities = vec![0.; logits.len()];
                for group in self.groups(logits.len(), width) {
                    let max = group.iter().map(|&i| logits[i]).fold(f64::NEG_INFINITY, f64::max);
                    group.iter().for_each(|&i| probabilities[i] = (logits[i] - max).exp());
                    let sum: f64 = group.iter().map(|&i| probabilities[i]).sum();
                    group.iter().for_each(|&i| probabilities[i] /= sum);
                }
                probabilities
            }
            Self::Sigmoid => logits.iter().map(|logit| 1. / (1. + (-logit).exp())).collect(),
            Self::None => logits.to_vec(),
        }
    }

    /// Returns the gradient of `scalar` with respect to the logits, `[reads, width]`.
    pub fn gradient(
        self,
        scalar: &Scalar,
        logits: &[f64],
        probabilities: &[f64],
        width: usize,
    ) -> Vec<f64> {
        let (output, terms) = match scalar {
            Scalar::Sum { output, terms } => (*output, terms),
            Scalar::Cosine(other) => return cosine_gradient(logits, other),
            Scalar::Highest(_) => {
                return self.gradient(&scalar.bound(logits), logits, probabilities, width);
            }
        };
        let mut grad = vec![0.; logits.len()];
        for &(index, weight) in terms {
            grad[index] += weight;
        }
        match (output, self) {
            (Output::Logit, _) | (Output::Probability, Self::None) => {}
            (Output::Probability, Self::Softmax | Self::SoftmaxOverTokens) => {
                for group in self.groups(logits.len(), width) {
                    let along: f64 = group.iter().map(|&i| grad[i] * probabilities[i]).sum();
                    group.iter().for_each(|&i| grad[i] = probabilities[i] * (grad[i] - along));
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

/// Returns the gradient of `a b / (|a| |b|)` with respect to a: `b / (|a| |b|) - cos a / |a|²`.
fn cosine_gradient(a: &[f64], b: &[f64]) -> Vec<f64> {
    let lengths = norm(a) * norm(b);
    let along = dot(a, b) / lengths / dot(a, a);
    a.iter().zip(b).map(|(a, b)| b / lengths - along * a).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [OutputActivation; 4] = [
        OutputActivation::Softmax,
        OutputActivation::SoftmaxOverTokens,
        OutputActivation::Sigmoid,
        OutputActivation::None,
    ];

    #[test]
    fn gradients_equal_finite_differences() {
        let logits = [0.3, -1.2, 2.0, 0.7, 0.1, -0.4];
        let difference =
            Scalar::Sum { output: Output::Probability, terms: vec![(0, 1.), (3, -1.)] };
        let cosine = Scalar::Cosine([0.5, 2., -1., 0.1, 0.9, 1.].into());
        for (activation, scalar) in
            ALL.iter().flat_map(|activation| [(activation, &difference), (activation, &cosine)])
        {
            let value = |z: &[f64]| scalar.value(z, &activation.probabilities(z, 2));
            let probabilities = activation.probabilities(&logits, 2);
            let gradient = activation.gradient(scalar, &logits, &probabilities, 2);
            for (i, analytic) in gradient.into_iter().enumerate() {
                let shifted = |by: f64| {
                    let mut moved = logits;
                    moved[i] += by;
                    value(&moved)
                };
                let numeric = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                assert!((analytic - numeric).abs() < 1e-8, "{activation:?} {scalar:?} {i}");
            }
        }
    }

    #[test]
    fn softmax_groups_sum_to_one() {
        let logits = [0.3, -1.2, 2.0, 0.7, 0.1, -0.4];
        let by_label = OutputActivation::Softmax.probabilities(&logits, 2);
        let by_token = OutputActivation::SoftmaxOverTokens.probabilities(&logits, 2);
        assert!((by_label[2] + by_label[3] - 1.).abs() < 1e-12);
        assert!((by_token[1] + by_token[3] + by_token[5] - 1.).abs() < 1e-12);
    }

    #[test]
    fn huge_logits_stay_finite() {
        for activation in [OutputActivation::Softmax, OutputActivation::Sigmoid] {
            let probabilities = activation.probabilities(&[1e4, -1e4], 2);
            assert_eq!(probabilities, [1., 0.]);
        }
    }
}
