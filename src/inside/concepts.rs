//! Where an input lies along a user's concepts, and how the explained scalar depends on them.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::part::{self, Part};
use crate::error::{Error, Result};
use crate::explanation::{Concept, ConceptLayer, Located, Place, Question, Resolved};
use crate::rows::{Means, Want, dot};

/// Runs one row for all concepts of the question in each part: with a gradient if the explained
/// scalar depends on the part.
pub async fn locate(
    question: &Question,
    target: Option<&Resolved>,
    parts: &[Part<'_>],
) -> Result<Vec<Located>> {
    if question.concepts.is_empty() {
        return Ok(Vec::new());
    }
    if target.is_none() {
        return Err(Error::field("/concepts", "there is no target to explain"));
    }
    let input = Input::of(&try_join_all(parts.iter().map(measure)).await?);
    question.concepts.iter().map(|stored| located(&stored.concept, &input)).collect()
}

/// The mean state of an input after each layer, and the derivative of the explained scalar with
/// respect to a vector that is added to the states of all tokens; `[layers][hidden]` each.
struct Input {
    states: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

/// Returns what one part adds to both.
async fn measure(part: &Part<'_>) -> Result<Input> {
    let layers = 1..part.passes.model().layers() + 1;
    let means = Means { layers, weights: part.in_mean.clone(), scalar: part.scalar().cloned() };
    let output = part.passes.run_one(part.subject.row(Want::Means(means))).await?;
    let (states, gradients): (Vec<_>, Vec<_>) =
        output.layers.into_iter().map(|layer| (layer.states, layer.gradient)).unzip();
    Ok(Input { states, gradients: part::sum([(part.weight, &gradients)].into_iter()) })
}

impl Input {
    fn of(parts: &[Self]) -> Self {
        let sum =
            |of: fn(&Self) -> &Vec<Vec<f64>>| part::sum(parts.iter().map(|own| (1., of(own))));
        Self { states: sum(|own| &own.states), gradients: sum(|own| &own.gradients) }
    }
}

fn located(concept: &Arc<Concept>, input: &Input) -> Result<Located> {
    let layers = concept.layers.iter().zip(input.states.iter().zip(&input.gradients));
    type Layer<'a> = (usize, (&'a ConceptLayer, (&'a Vec<f64>, &'a Vec<f64>)));
    let place = |(index, (layer, (state, gradient))): Layer<'_>| {
        let axis = layer.axis.as_ref()?;
        let sensitivity = dot(gradient, &axis.direction);
        Some(Place { layer: index + 1, position: axis.position(state), sensitivity })
    };
    let places: Vec<Place> = layers.enumerate().filter_map(place).collect();
    let own = places.iter().find(|place| place.layer == concept.layer).copied();
    let own = own.ok_or_else(|| Error::internal("a concept has no axis at its own layer"))?;
    Ok(Located { concept: Arc::clone(concept), own, places })
}
