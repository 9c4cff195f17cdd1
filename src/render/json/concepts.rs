//! Concepts, and where inputs lie along them.

use serde::Serialize;
use utoipa::ToSchema;

use super::target::scalar_name;
use super::{ScalarName, number};
use crate::explanation as plain;

/// Where the input lies along a concept, and how the explained scalar depends on it.
#[derive(Serialize, ToSchema)]
pub struct LocatedConcept {
    pub name: String,
    /// The layer, from 1, that separates the concept's held-out texts best.
    pub layer: usize,
    /// 1 at the mean of the texts with the concept, -1 at that of the contrast, 0 in the middle.
    pub position: f32,
    /// The derivative of the scalar with respect to a step of length 1 along the concept by the states
    /// of all tokens after the layer.
    pub sensitivity: f32,
    /// The same at every layer where the means of both lists differ.
    pub layers: Vec<LocatedLayer>,
}

/// Where the input lies along a concept after one layer.
#[derive(Serialize, ToSchema)]
pub struct LocatedLayer {
    /// Counted from 1.
    pub layer: usize,
    /// 1 at the mean of the texts with the concept, -1 at that of the contrast, 0 in the middle.
    pub position: f32,
    /// The derivative of the scalar with respect to a step of length 1 along the mean difference by
    /// the states of all tokens after the layer.
    pub sensitivity: f32,
}

/// A concept, learned from texts.
#[derive(Serialize, ToSchema)]
pub struct Concept {
    pub name: String,
    /// The id of the model.
    pub model: String,
    /// Digest of the model's files. With other files, the concept has to be made again.
    pub revision: String,
    /// Whether the model is served in this revision.
    pub usable: bool,
    /// The output that `tcav` is about; missing if it differs between the texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<ScalarName>,
    #[schema(inline)]
    pub texts: ConceptTexts,
    /// The layer that separates held-out texts best by the mean difference, the first of equal ones.
    pub layer: usize,
    pub layers: Vec<ConceptLayer>,
}

/// The numbers of texts.
#[derive(Serialize, ToSchema)]
pub struct ConceptTexts {
    pub concept: usize,
    pub contrast: usize,
}

/// One layer's directions.
#[derive(Serialize, ToSchema)]
pub struct ConceptLayer {
    /// Counted from 1.
    pub layer: usize,
    /// The difference of the mean states of both lists.
    pub mean_difference: Separation,
    /// Logistic regression with an L2 penalty.
    pub logistic: Separation,
    #[schema(inline)]
    pub tcav: Tcav,
}

/// How well a direction separates texts that it was not fitted to, by five-fold cross-validation.
#[derive(Serialize, ToSchema)]
pub struct Separation {
    /// The share of texts on the right side.
    pub accuracy: f32,
    /// Wilson's 95 % interval.
    #[schema(min_items = 2, max_items = 2)]
    pub accuracy_interval: [f32; 2],
    /// The area under the ROC curve.
    pub auc: f32,
    /// The direction, of norm 1, fitted to all texts; if the request has `directions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Vec<f32>>,
}

/// Whether the output depends on the mean difference (Kim et al. 2018).
#[derive(Serialize, ToSchema)]
pub struct Tcav {
    /// The share of all texts whose output increases along the direction.
    pub score: f32,
    /// The mean of the derivatives along the direction of norm 1.
    pub sensitivity: f32,
    /// Two-sided, against directions of random splits of the texts, adjusted for the number of layers.
    pub p_value: f32,
    /// Whether `p_value` is below 0.05.
    pub significant: bool,
}

pub fn located(located: &plain::Located) -> LocatedConcept {
    let layer = |place: &plain::Place| LocatedLayer {
        layer: place.layer,
        position: number(place.position),
        sensitivity: number(place.sensitivity),
    };
    let LocatedLayer { layer: own, position, sensitivity } = layer(&located.own);
    let layers = located.places.iter().map(layer).collect();
    LocatedConcept { name: located.concept.name.clone(), layer: own, position, sensitivity, layers }
}

/// Converts a concept; `directions` are those of its layers, or empty.
pub fn concept(concept: &plain::Concept, directions: &[[Vec<f64>; 2]], usable: bool) -> Concept {
    let [own, contrast] = concept.texts;
    let layer = |(index, layer): (usize, &plain::ConceptLayer)| {
        let direction = |kind: usize| directions.get(index).map(|both| both[kind].as_slice());
        ConceptLayer {
            layer: index + 1,
            mean_difference: separation(&layer.mean_difference, direction(0)),
            logistic: separation(&layer.logistic, direction(1)),
            tcav: Tcav {
                score: number(layer.tcav.score),
                sensitivity: number(layer.tcav.sensitivity),
                p_value: number(layer.tcav.p_value),
                significant: layer.tcav.is_significant(),
            },
        }
    };
    Concept {
        name: concept.name.clone(),
        model: concept.model.clone(),
        revision: concept.revision.clone(),
        usable,
        target: concept.target.as_ref().map(scalar_name),
        texts: ConceptTexts { concept: own, contrast },
        layer: concept.layer,
        layers: concept.layers.iter().enumerate().map(layer).collect(),
    }
}

fn separation(separation: &plain::Separation, direction: Option<&[f64]>) -> Separation {
    let (share, low, high) = match separation.accuracy() {
        Some(accuracy) => (accuracy.mean, accuracy.low, accuracy.high),
        // There are always texts.
        None => (0., 0., 1.),
    };
    Separation {
        accuracy: number(share),
        accuracy_interval: [number(low), number(high)],
        auc: number(separation.auc),
        direction: direction.map(|all| all.iter().copied().map(number).collect()),
    }
}
