//! An answer for each token: named entities and parts of speech.

use std::sync::Arc;

use super::{Behaviour, Read, entities, find, find_contrast, highest, unsuited};
use crate::error::Result;
use crate::explanation::{Predicted, Question, Resolved, Target};
use crate::model::Model;
use crate::text::Encoding;

/// The label of what is no entity.
pub const OUTSIDE: &str = "O";

/// Entities that `predicted` explains, the surest first: a long text may have
/// many, and each costs as much as a whole explanation.
const ENTITIES: usize = 8;

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
            Target::Border { .. } => {
                return Err(unsuited(model, "it has no start and end", "/target/position"));
            }
        };
        match token {
            Some(_) => Ok(()),
            None => Err(unsuited(model, "a target names a token too", "/target")),
        }
    }

    fn reads(&self, encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        Ok((0..encoding.tokens.len()).collect())
    }

    fn predicted(&self, question: &Question, read: &Read<'_>) -> Result<Predicted> {
        let predictions = (0..read.reads.len()).map(|number| read.ranked(number)).collect();
        Ok(Predicted::Tokens { predictions, entities: entities::of(question.aggregation, read) })
    }

    /// `predicted` means the first token of each of the surest entities, by its own
    /// label; without an entity, the token that comes nearest to being one.
    fn resolve(&self, question: &Question, read: &Read<'_>) -> Result<Vec<Resolved>> {
        let (model, output) = (read.model, question.output);
        let best = |token: usize| read.class(token, highest(read.logits(token)), output);
        Ok(match &question.target {
            Target::All => entities::content(read).map(best).collect(),
            Target::Class { token, class } => {
                let number = read.number_of(token.unwrap_or_default(), "token of the input")?;
                vec![read.class(number, find(class, model, "/target")?, output)]
            }
            Target::Contrast { token, classes } => {
                let number = read.number_of(token.unwrap_or_default(), "token of the input")?;
                vec![read.contrast(number, find_contrast(classes, model)?, output)]
            }
            Target::Predicted | Target::Border { .. } => {
                let found = entities::surest(read, ENTITIES);
                match found.is_empty() {
                    true => nearest(read).into_iter().map(best).collect(),
                    false => found.into_iter().map(best).collect(),
                }
            }
        })
    }

    fn most(&self, target: &Target, _model: &Model, encoding: &Encoding) -> usize {
        match target {
            Target::All => encoding.tokens.len(),
            Target::Predicted => ENTITIES.min(encoding.tokens.len()),
            _ => 1,
        }
    }
}

/// The token whose label O is least sure.
fn nearest(read: &Read<'_>) -> Option<usize> {
    let outside = read.model.output_called(OUTSIDE).unwrap_or_default();
    let sure = |token: usize| read.output.probabilities[token * read.model.outputs() + outside];
    entities::content(read).min_by(|&a, &b| sure(a).total_cmp(&sure(b)))
}
