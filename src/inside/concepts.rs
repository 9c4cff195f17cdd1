//! Where an input lies along a user's concepts, and how the explained scalar depends on them.

use std::sync::Arc;

use crate::attribution::Subject;
use crate::error::{Error, Result};
use crate::explanation::{Concept, ConceptLayer, Located, Place, Question, Resolved};
use crate::passes::Passes;
use crate::rows::{LayerOutput, Want, dot};

/// Runs one gradient row for all concepts of the question.
pub async fn locate(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    target: Option<&Resolved>,
) -> Result<Vec<Located>> {
    if question.concepts.is_empty() {
        return Ok(Vec::new());
    }
    let target =
        target.ok_or_else(|| Error::field("/concepts", "there is no target to explain"))?;
    let want = Want::Means(1..passes.model().layers() + 1, target.scalar.clone());
    let output = passes.run_one(subject.row(want)).await?;
    question.concepts.iter().map(|stored| located(&stored.concept, &output.layers)).collect()
}

fn located(concept: &Arc<Concept>, layers: &[LayerOutput]) -> Result<Located> {
    let place = |(index, (layer, output)): (usize, (&ConceptLayer, &LayerOutput))| {
        let axis = layer.axis.as_ref()?;
        Some(Place {
            layer: index + 1,
            position: axis.position(&output.states),
            sensitivity: dot(&output.gradient, &axis.direction),
        })
    };
    let places: Vec<Place> =
        concept.layers.iter().zip(layers).enumerate().filter_map(place).collect();
    let own = places.iter().find(|place| place.layer == concept.layer).copied();
    let own = own.ok_or_else(|| Error::internal("a concept has no axis at its own layer"))?;
    Ok(Located { concept: Arc::clone(concept), own, places })
}
