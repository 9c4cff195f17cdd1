//! The masked language model: which pieces may stand where a mask stands.

use std::sync::Arc;

use super::{Behaviour, Read, find, find_contrast, highest, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{MaskPrediction, Predicted, Question, Resolved, Target};
use crate::model::Model;
use crate::text::Encoding;

/// Pieces that an answer gives for each mask.
const BEST: usize = 10;

pub struct Masks;

impl Behaviour for Masks {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All => Ok(()),
            Target::Class { class, .. } => find(class, model, "/target").map(|_| ()),
            Target::Contrast { classes, .. } => find_contrast(classes, model).map(|_| ()),
            Target::Border { .. } => {
                Err(unsuited(model, "it has no start and end", "/target/position"))
            }
        }
    }

    fn reads(&self, encoding: &Encoding, model: &Model) -> Result<Arc<[usize]>> {
        let mask = model.text.mask()?;
        let tokens = encoding.tokens.iter().enumerate();
        let masks: Arc<[usize]> =
            tokens.filter(|(_, token)| token.id == mask).map(|(place, _)| place).collect();
        match masks.is_empty() {
            true => {
                let mask = model.text.piece(mask);
                let detail = format!("the text has no {mask}; put one where a word is to be found");
                Err(Error::new(Code::InputEmpty, detail))
            }
            false => Ok(masks),
        }
    }

    fn predicted(&self, _question: &Question, read: &Read<'_>) -> Result<Predicted> {
        let of_mask = |(number, &token): (usize, &usize)| MaskPrediction {
            token,
            predictions: read.best(number, BEST),
        };
        Ok(Predicted::Masks(read.reads.iter().enumerate().map(of_mask).collect()))
    }

    /// `predicted` and `all` mean the best piece of each mask; a class without a
    /// token is the first mask's.
    fn resolve(&self, question: &Question, read: &Read<'_>) -> Result<Vec<Resolved>> {
        let (model, output) = (read.model, question.output);
        let number = |token: &Option<usize>| {
            token.map_or(Ok(0), |token| read.number_of(token, "mask of the input"))
        };
        Ok(match &question.target {
            Target::Class { token, class } => {
                vec![read.class(number(token)?, find(class, model, "/target")?, output)]
            }
            Target::Contrast { token, classes } => {
                vec![read.contrast(number(token)?, find_contrast(classes, model)?, output)]
            }
            Target::Predicted | Target::All | Target::Border { .. } => (0..read.reads.len())
                .map(|number| read.class(number, highest(read.logits(number)), output))
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
