//! One prediction per input: text classification, pairs, regression, and next sentence prediction.

use std::sync::Arc;

use super::{Behaviour, ModelOutput, find, find_contrast, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{Predicted, Question, Resolved, Target};
use crate::model::Model;
use crate::rows::{Scalar, highest};
use crate::text::Encoding;

pub struct Classification {
    /// The error for a single text, if pairs are required.
    pub pairs_only: Option<&'static str>,
}

impl Behaviour for Classification {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        let token = match target {
            Target::Predicted | Target::All => None,
            Target::Class { token, class } => {
                find(class, model, "/target")?;
                *token
            }
            Target::Contrast { token, classes } => {
                find_contrast(classes, model)?;
                *token
            }
            Target::SpanBoundary { .. } => {
                return Err(unsuited(model, "it has no start and end", "/target/position"));
            }
        };
        match token {
            Some(_) => {
                Err(unsuited(model, "it has one output for the whole text", "/target/token"))
            }
            None => Ok(()),
        }
    }

    fn reads(&self, encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        let single = !encoding.tokens.iter().any(|token| token.segment == 1);
        match self.pairs_only.filter(|_| single) {
            Some(detail) => Err(Error::new(Code::InputEmpty, detail)),
            None => Ok([].into()),
        }
    }

    fn predicted(&self, _question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted> {
        Ok(Predicted::Labels(outputs.ranked(0)))
    }

    fn resolve(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
        let (model, output) = (outputs.model, question.output);
        Ok(match &question.target {
            Target::All => (0..model.outputs()).map(|i| outputs.class(0, i, output)).collect(),
            Target::Class { class, .. } => {
                vec![outputs.class(0, find(class, model, "/target")?, output)]
            }
            Target::Contrast { classes, .. } => {
                vec![outputs.contrast(0, find_contrast(classes, model)?, output)]
            }
            Target::Predicted | Target::SpanBoundary { .. } => {
                vec![outputs.class(0, highest(outputs.logits(0)), output)]
            }
        })
    }

    fn before_pass(&self, question: &Question) -> Option<Scalar> {
        let (model, output) = (&question.model, question.output);
        match &question.target {
            Target::Predicted => Some(Scalar::Highest(output)),
            Target::Class { class, .. } => {
                find(class, model, "/target").ok().map(|index| Scalar::one(output, index))
            }
            _ => None,
        }
    }

    fn most(&self, target: &Target, model: &Model, _encoding: &Encoding) -> usize {
        match target {
            Target::All => model.outputs(),
            _ => 1,
        }
    }
}
