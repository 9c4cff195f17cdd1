//! The vectors by which texts are compared.

use std::sync::Arc;

use crate::choice::choices;
use crate::error::{Code, Error, Result};
use crate::heads::activation::OutputActivation;
use crate::heads::{Labels, Task};
use crate::model::Model;
use crate::rows::{Layer, Output, PooledState, Reduce, Row, Scalar, Tokens, Want};

choices! {
    /// The similarity measure between two texts.
    #[derive(Hash)]
    pub enum Similarity {
        /// The cosine of the hidden states of one layer.
        Cosine = "cosine",
        /// The cosine of the gradients of the loss.
        Gradient = "gradient",
    }
}

/// The vector that represents a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// The hidden states after one layer, pooled to one vector.
    State(PooledState),
    /// The gradient of the loss `-ln p(y)` with respect to a vector that is added to the
    /// output of the embedding block at every token: `Σ_t ∂L/∂e_t`. y is the label of a
    /// sample, or the predicted label of an input.
    ///
    /// Samples whose loss decreases under the same change as the input's loss support the
    /// prediction (Charpiat et al. 2019, "Input similarity from the neural network
    /// perspective"; Pruthi et al. 2020, TracIn). The cosine of gradients passes all tests of
    /// Hanawa et al. 2021. The gradient is taken at the embeddings, not at the classifier's
    /// input: there, all gradients of a linear classifier with two labels are parallel or
    /// antiparallel.
    Gradient,
}

impl Representation {
    pub fn similarity(self) -> Similarity {
        match self {
            Self::State(_) => Similarity::Cosine,
            Self::Gradient => Similarity::Gradient,
        }
    }

    /// Returns the first row of a text: it yields the outputs, and the pooled state if needed.
    pub fn first_row(self, tokens: Arc<Tokens>) -> Row {
        let want = match self {
            Self::State(state) => Want::Pooled(state),
            Self::Gradient => Want::Outputs,
        };
        Row { want, ..Row::forward(tokens, [].into()) }
    }

    /// Returns the second row, if one is needed, from the probabilities of the first.
    pub fn second_row(
        self,
        model: &Model,
        tokens: Arc<Tokens>,
        probabilities: &[f64],
        label: usize,
    ) -> Option<Row> {
        let Self::Gradient = self else { return None };
        let loss = loss_direction(model.activation(), probabilities, label);
        let want = Want::Gradients(Reduce::Keep, vec![loss]);
        let row = Row::forward(tokens, [].into());
        Some(Row { want, layer: Layer::Embeddings, ..row })
    }
}

/// Returns a scalar whose gradient is that of `-ln p(label)` up to a positive factor, which does
/// not change a cosine. Softmax: `Σ_j p_j / (1 - p_label) (z_j - z_label)` over the other labels
/// j; sigmoid per label: `-z_label`. It does not vanish when the model is certain.
fn loss_direction(activation: OutputActivation, probabilities: &[f64], label: usize) -> Scalar {
    let mut terms = vec![(label, -1.)];
    if activation == OutputActivation::Softmax {
        let others = || (0..probabilities.len()).filter(|&other| other != label);
        let sum: f64 = others().map(|other| probabilities[other]).sum();
        let even = 1. / others().count().max(1) as f64;
        let share = |other: usize| if sum > 0. { probabilities[other] / sum } else { even };
        terms.extend(others().map(|other| (other, share(other))));
    }
    Scalar::Sum { output: Output::Logit, terms }
}

/// Sums gradients `[tokens, width]` over the tokens, to `[width]`.
pub fn summed(gradients: &[f64], tokens: usize) -> Vec<f64> {
    let width = gradients.len() / tokens.max(1);
    let component = |index: usize| gradients.iter().skip(index).step_by(width.max(1)).sum();
    (0..width).map(component).collect()
}

/// Returns the index of the largest output; the first one on ties.
pub fn predicted(outputs: &[f64]) -> usize {
    let better = |best: usize, i: usize| if outputs[i] > outputs[best] { i } else { best };
    (0..outputs.len()).fold(0, better)
}

/// Checks that a model is a text classifier with two or more labels.
///
/// # Errors
/// `method_not_supported` at `/model`.
pub fn check(model: &Model) -> Result<()> {
    let classes = match model.labels() {
        Labels::Named(names) => names.len(),
        Labels::Pieces(_) | Labels::Dimensions(_) => 0,
    };
    let classifies = model.task == Task::TextClassification && classes >= 2;
    if classifies && model.activation() != OutputActivation::None {
        return Ok(());
    }
    let detail = format!(
        "{} is a {} model; examples need a text classification model with two or more labels",
        model.id,
        model.task.name()
    );
    Err(Error::new(Code::MethodNotSupported, detail).at("/model"))
}

/// Resolves the index of a layer's states. Negative numbers count from the end; -1 is the last.
///
/// # Errors
/// Fails if the model has no such layer.
pub fn layer(model: &Model, number: i64) -> Result<usize, String> {
    let layers = model.layers() as i64;
    let found = if number < 0 { layers + 1 + number } else { number };
    match (0..=layers).contains(&found) {
        true => Ok(found as usize),
        false => Err(format!("{} has layers 0 to {layers}, not {number}", model.id)),
    }
}

/// Resolves a sample's label, given by name or index, to the index of a label of the model.
///
/// # Errors
/// Fails if the model has no such label; the message lists up to 20 of its labels.
pub fn label(model: &Model, text: &str) -> Result<usize, String> {
    let by_index = || text.parse().ok().filter(|index| *index < model.outputs());
    model.output_called(text).or_else(by_index).ok_or_else(|| {
        let known = (0..model.outputs()).map(|index| format!("{index} {}", model.label(index)));
        let known: Vec<String> = known.take(20).collect();
        format!("{} has no label {text:?}; it has {}", model.id, known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient of -ln p at the logits is p - e_label; here it is divided by 1 - p_label.
    #[test]
    fn the_direction_matches_the_gradient_of_the_loss() {
        let logits = [0.3, -1.2, 2.];
        let probabilities = OutputActivation::Softmax.probabilities(&logits, 3);
        for label in 0..3 {
            let Scalar::Sum { terms, .. } =
                loss_direction(OutputActivation::Softmax, &probabilities, label)
            else {
                panic!("no sum")
            };
            for (index, weight) in terms {
                let own = if index == label { 1. } else { 0. };
                let expected = (probabilities[index] - own) / (1. - probabilities[label]);
                assert!((weight - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_certain_model_has_a_direction() {
        let direction = loss_direction(OutputActivation::Softmax, &[0., 1.], 1);
        let terms = vec![(1, -1.), (0, 1.)];
        assert_eq!(direction, Scalar::Sum { output: Output::Logit, terms });
    }

    #[test]
    fn gradients_are_summed_over_tokens() {
        assert_eq!(summed(&[1., 2., 10., 20., 100., 200.], 3), [111., 222.]);
    }
}
