//! One prediction per token: named entities and parts of speech.

use std::sync::Arc;

use super::entities::{self, OUTSIDE};
use super::{Behaviour, ModelOutput, find, find_contrast, highest, unsuited};
use crate::error::Result;
use crate::explanation::{Predicted, Question, Resolved, Target};
use crate::model::Model;
use crate::text::Encoding;

/// Maximum number of entities that `predicted` explains, most probable first. A long text may have
/// many, and each costs as much as a whole explanation.
const MAX_ENTITIES: usize = 8;

pub struct Tokens;

impl Behaviour for Tokens {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        let token = match target {
            Target::Predicted | Target::All => return Ok(()),
            Target::Class { token, class } => {
                find(class, model, "/target")?;
                token
            }
            Target::Contrast { token, classes } => {
                find_contrast(classes, model)?;
                token
            }
            Target::SpanBoundary { .. } => {
                return Err(unsuited(model, "it has no start and end", "/target/position"));
            }
        };
        match token {
            Some(_) => Ok(()),
            None => Err(unsuited(model, "a target must also name a token", "/target")),
        }
    }

    fn reads(&self, encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        Ok((0..encoding.tokens.len()).collect())
    }

    fn predicted(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted> {
        let predictions = (0..outputs.reads.len()).map(|i| outputs.ranked(i)).collect();
        Ok(Predicted::Tokens { predictions, entities: entities::of(question.aggregation, outputs) })
    }

    /// `predicted` means the label of the first token of each of the most probable entities;
    /// without an entity, the token that is closest to being one.
    fn resolve(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
        let (model, output) = (outputs.model, question.output);
        let best = |token: usize| outputs.class(token, highest(outputs.logits(token)), output);
        Ok(match &question.target {
            Target::All => entities::content(outputs).map(best).collect(),
            Target::Class { token, class } => {
                let index = outputs.read_index(token.unwrap_or_default(), "token of the input")?;
                vec![outputs.class(index, find(class, model, "/target")?, output)]
            }
            Target::Contrast { token, classes } => {
                let index = outputs.read_index(token.unwrap_or_default(), "token of the input")?;
                vec![outputs.contrast(index, find_contrast(classes, model)?, output)]
            }
            Target::Predicted | Target::SpanBoundary { .. } => {
                let found = entities::most_probable(outputs, MAX_ENTITIES);
                match found.is_empty() {
                    true => least_outside(outputs).into_iter().map(best).collect(),
                    false => found.into_iter().map(best).collect(),
                }
            }
        })
    }

    fn most(&self, target: &Target, _model: &Model, encoding: &Encoding) -> usize {
        match target {
            Target::All => encoding.tokens.len(),
            Target::Predicted => MAX_ENTITIES.min(encoding.tokens.len()),
            _ => 1,
        }
    }
}

/// Returns the token with the lowest probability of the label O.
fn least_outside(outputs: &ModelOutput<'_>) -> Option<usize> {
    let outside = outputs.model.output_called(OUTSIDE).unwrap_or_default();
    let probability =
        |token: usize| outputs.output.probabilities[token * outputs.model.outputs() + outside];
    entities::content(outputs).min_by(|&a, &b| probability(a).total_cmp(&probability(b)))
}
