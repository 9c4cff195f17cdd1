//! Where an input lies along a user's concepts, and how the explained scalar depends on them.

use std::sync::Arc;

use crate::attribution::Subject;
use crate::error::{Error, Result};
use crate::explanation::{Concept, Located, Question, Resolved};
use crate::passes::Passes;
use crate::rows::{Want, dot};

/// Runs one gradient row for all concepts of the question.
pub async fn locate(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    target: Option<&Resolved>,
) -> Result<Vec<Located>> {
    let layers = question.concepts.iter().map(|concept| concept.layer);
    let (Some(first), Some(last)) = (layers.clone().min(), layers.max()) else {
        return Ok(Vec::new());
    };
    let target =
        target.ok_or_else(|| Error::field("/concepts", "there is no target to explain"))?;
    let want = Want::Means(first..last + 1, target.scalar.clone());
    let output = passes.run_one(subject.row(want)).await?;
    let located = |concept: &Arc<Concept>| {
        let layer = &output.layers[concept.layer - first];
        Located {
            position: concept.axis.position(&layer.states),
            sensitivity: dot(&layer.gradient, &concept.axis.direction),
            concept: Arc::clone(concept),
        }
    };
    Ok(question.concepts.iter().map(located).collect())
}
