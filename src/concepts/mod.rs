//! A user's own concepts, each described by texts that have it and a contrast: a direction in the
//! states of every layer, how well it separates held-out texts, and whether the explained scalar
//! depends on it.
//!
//! A text's state at a layer is the mean over all of its tokens, special tokens included, of the
//! layer's output before a final layer norm. Moving the states of all tokens by a vector moves it by
//! the same vector, so that gradients and directions are in the same space.

mod fit;
mod gram;
mod logistic;
mod separation;
mod store;
mod tcav;

use fit::Rule;
use gram::Products;
pub use separation::FOLDS;
use separation::{folds, separation};
pub use store::{Concepts, MOST_CONCEPTS};
use tcav::Responses;
pub use tcav::SPLITS;

use crate::explanation::{Axis, ConceptLayer, Separation, Tcav};
use crate::rows::{dot, norm};

/// The fewest texts of each list: every fold holds out one.
pub const FEWEST_TEXTS: usize = FOLDS;

/// The states of all texts after one layer, and the gradients of their scalars there; `[texts][hidden]`
/// each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    pub states: Vec<Vec<f64>>,
    pub gradients: Vec<Vec<f64>>,
}

/// What texts say about a concept.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// From the first layer.
    pub layers: Vec<ConceptLayer>,
    /// Of every layer, the mean difference and the logistic direction, of norm 1 or zero; `[hidden]`.
    pub directions: Vec<[Vec<f64>; 2]>,
    /// The layer, from 1, that separates held-out texts best by the mean difference, the first of equal
    /// ones. `None` if the means are equal at every layer.
    pub best: Option<usize>,
}

/// Learns a concept from texts; `concept` says which of them have it. Both lists need
/// [`FEWEST_TEXTS`].
pub fn learn(measured: &[Measured], concept: &[bool], seed: u64) -> Learned {
    let states: Vec<Vec<Vec<f64>>> =
        measured.iter().map(|layer| gram::centred(&layer.states)).collect();
    let responses = |(layer, states): (&Measured, &Vec<Vec<f64>>)| Responses {
        states: Products::of(states, states),
        gradients: Products::of(&layer.gradients, states),
    };
    let responses: Vec<Responses> = measured.iter().zip(&states).map(responses).collect();
    let folds = folds(concept, seed);
    let all: Vec<usize> = (0..concept.len()).collect();
    let direction = |rule: Rule, index: usize| {
        unit(&sum(&states[index], &rule(&responses[index].states, &all, concept).weights))
    };
    let directions: Vec<[Vec<f64>; 2]> = (0..measured.len())
        .map(|index| [fit::mean_difference, fit::logistic].map(|rule| direction(rule, index)))
        .collect();
    let of_layer = |(index, tcav): (usize, Tcav)| {
        let Responses { states, .. } = &responses[index];
        ConceptLayer {
            axis: axis(&measured[index].states, &directions[index][0], concept),
            mean_difference: separation(states, fit::mean_difference, &folds, concept),
            logistic: separation(states, fit::logistic, &folds, concept),
            tcav,
        }
    };
    let tcav = tcav::scores(&responses, concept, seed);
    let layers: Vec<ConceptLayer> = tcav.into_iter().enumerate().map(of_layer).collect();
    let best = best(&layers).map(|index| index + 1);
    Learned { layers, directions, best }
}

/// Returns the index of the layer with the largest area under the curve, then with the most texts on
/// the right side; the first of equal ones.
fn best(layers: &[ConceptLayer]) -> Option<usize> {
    let quality = |index: &usize| {
        let Separation { auc, hits, .. } = layers[*index].mean_difference;
        (auc, hits)
    };
    let better = |best: usize, index: usize| {
        if quality(&index) > quality(&best) { index } else { best }
    };
    (0..layers.len()).filter(|index| layers[*index].axis.is_some()).reduce(better)
}

/// Returns the axis through both means; `None` if they are equal.
fn axis(states: &[Vec<f64>], direction: &[f64], concept: &[bool]) -> Option<Axis> {
    let mean = |side: bool| {
        let own = states.iter().zip(concept).filter(|(_, own)| **own == side);
        let count = own.clone().count() as f64;
        own.map(|(state, _)| dot(state, direction)).sum::<f64>() / count
    };
    let (with, without) = (mean(true), mean(false));
    let half = (with - without) / 2.;
    (half > 0.).then(|| Axis { direction: direction.to_vec(), middle: (with + without) / 2., half })
}

/// Returns `Σ w_i x_i`.
fn sum(vectors: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let width = vectors.first().map_or(0, Vec::len);
    let component =
        |index: usize| vectors.iter().zip(weights).map(|(vector, w)| w * vector[index]).sum();
    (0..width).map(component).collect()
}

/// Returns the vector with the norm 1, or zero.
fn unit(vector: &[f64]) -> Vec<f64> {
    let size = norm(vector);
    vector.iter().map(|x| if size > 0. { x / size } else { 0. }).collect()
}

#[cfg(test)]
mod tests;
