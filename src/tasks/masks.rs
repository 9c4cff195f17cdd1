//! Masked language models: which pieces can replace a mask.

use std::sync::Arc;

use super::{Behaviour, ModelOutput, find, find_contrast, highest, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{MaskPrediction, Predicted, Question, Resolved, Target};
use crate::model::Model;
use crate::text::Encoding;

/// Number of predicted pieces per mask.
pub const BEST: usize = 10;

pub struct Masks;

impl Behaviour for Masks {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All => Ok(()),
            Target::Class { class, .. } => find(class, model, "/target").map(|_| ()),
            Target::Contrast { classes, .. } => find_contrast(classes, model).map(|_| ()),
            Target::SpanBoundary { .. } => {
                Err(unsuited(model, "it has no start and end", "/target/position"))
            }
        }
    }

    fn reads(&self, encoding: &Encoding, model: &Model) -> Result<Arc<[usize]>> {
        let mask = model.text.mask()?;
        let tokens = encoding.tokens.iter().enumerate();
        let masks: Arc<[usize]> =
            tokens.filter(|(_, token)| token.id == mask).map(|(index, _)| index).collect();
        match masks.is_empty() {
            true => {
                let mask = model.text.piece(mask);
                let detail = format!("the text has no {mask}; put one where to predict a word");
                Err(Error::new(Code::InputEmpty, detail))
            }
            false => Ok(masks),
        }
    }

    fn predicted(&self, _question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted> {
        let of_mask = |(position, &token): (usize, &usize)| MaskPrediction {
            token,
            predictions: outputs.best(position, BEST),
        };
        Ok(Predicted::Masks(outputs.reads.iter().enumerate().map(of_mask).collect()))
    }

    /// `predicted` and `all` mean the best piece of each mask; a class without a token means the
    /// first mask.
    fn resolve(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
        let (model, output, reads) = (outputs.model, question.output, outputs.reads.len());
        let position = |token: &Option<usize>| {
            token.map_or(Ok(0), |token| outputs.read_index(token, "mask of the input"))
        };
        Ok(match &question.target {
            Target::Class { token, class } => {
                vec![outputs.class(position(token)?, find(class, model, "/target")?, output)]
            }
            Target::Contrast { token, classes } => {
                vec![outputs.contrast(position(token)?, find_contrast(classes, model)?, output)]
            }
            Target::Predicted | Target::All | Target::SpanBoundary { .. } => (0..reads)
                .map(|position| outputs.class(position, highest(outputs.logits(position)), output))
                .collect(),
        })
    }

    fn most(&self, target: &Target, model: &Model, encoding: &Encoding) -> usize {
        match target {
            Target::Predicted | Target::All => {
                self.reads(encoding, model).map_or(0, |masks| masks.len())
            }
            _ => 1,
        }
    }
}
