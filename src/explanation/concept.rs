//! Concepts that a user describes by texts, as stored and as found in an input.

use std::sync::Arc;

use super::ScalarName;
use crate::evaluation::interval::Interval;
use crate::rows::dot;

/// A concept in the states of one revision of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Concept {
    pub name: String,
    /// The id of the model.
    pub model: String,
    pub revision: String,
    /// The scalar whose sensitivity was tested; `None` if it differs between the texts.
    pub target: Option<ScalarName>,
    /// The numbers of texts with the concept and of the contrast.
    pub texts: [usize; 2],
    /// From the first layer.
    pub layers: Vec<ConceptLayer>,
    /// The layer, from 1, that separates held-out texts best. It has an axis.
    pub layer: usize,
}

/// A concept that can be used in questions.
#[derive(Debug, Clone)]
pub struct StoredConcept {
    pub concept: Arc<Concept>,
    /// Digest of everything in the concept, by which responses are cached.
    pub digest: [u8; 32],
}

/// How well a layer's directions separate held-out texts, and whether the target depends on them.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptLayer {
    /// The concept in the states after the layer; `None` if the means of both lists are equal there.
    pub axis: Option<Axis>,
    pub mean_difference: Separation,
    pub logistic: Separation,
    /// Along the mean difference.
    pub tcav: Tcav,
}

/// How well a direction separates texts that it was not fitted to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Separation {
    /// Number of texts on the right side, of `count`.
    pub hits: usize,
    pub count: usize,
    /// The area under the ROC curve.
    pub auc: f64,
}

impl Separation {
    /// Returns the share of texts on the right side, with its 95 % interval.
    pub fn accuracy(&self) -> Option<Interval> {
        Interval::wilson(self.hits, self.count)
    }
}

/// The sensitivity of the target to the concept (Kim et al. 2018).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tcav {
    /// The share of all texts whose scalar increases along the direction.
    pub score: f64,
    /// The mean of the derivatives along the unit direction.
    pub sensitivity: f64,
    /// Against directions of random splits of the same texts, adjusted for the number of layers.
    pub p_value: f64,
}

impl Tcav {
    /// The level of significance, for all layers together.
    const LEVEL: f64 = 0.05;

    pub fn is_significant(&self) -> bool {
        self.p_value < Self::LEVEL
    }
}

/// A direction with a scale: the mean of the texts with the concept is at 1, that of the contrast
/// at -1.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The direction of the difference of the means, of norm 1; `[hidden]`.
    pub direction: Vec<f64>,
    /// The product of the direction with the point in the middle of the means.
    pub middle: f64,
    /// Half of the distance of the means.
    pub half: f64,
}

impl Axis {
    pub fn position(&self, state: &[f64]) -> f64 {
        (dot(state, &self.direction) - self.middle) / self.half
    }
}

/// Where an input lies along a concept, and how the explained scalar depends on it.
#[derive(Debug, Clone)]
pub struct Located {
    pub concept: Arc<Concept>,
    /// At the concept's own layer.
    pub own: Place,
    /// At every layer with an axis, in order.
    pub places: Vec<Place>,
}

/// Where an input lies along a concept after one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// From 1.
    pub layer: usize,
    pub position: f64,
    /// The derivative of the scalar with respect to a step of length 1 along the axis by the states
    /// of all tokens after the layer.
    pub sensitivity: f64,
}
