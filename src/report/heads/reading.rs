//! What the importance of heads is of: the mean logit of what the model predicts for a text.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::explanation::{Question, Resolved};
use crate::heads::Task;
use crate::model::Model;
use crate::rows::{Output, RowOutput, Scalar, highest};
use crate::tasks::{self, ModelOutput};
use crate::text::Encoding;

/// Checks that the model predicts something for single texts, which are all that a corpus has.
///
/// # Errors
/// `method_not_supported` at `/model`.
pub fn check(model: &Model) -> Result<()> {
    match model.task {
        Task::TextClassification | Task::TokenClassification | Task::FillMask => Ok(()),
        Task::NextSentence | Task::QuestionAnswering | Task::Embedding => {
            let detail = format!(
                "{} is a {} model, which reads two texts; the texts of a corpus are single ones",
                model.id,
                model.task.name()
            );
            Err(Error::new(Code::MethodNotSupported, detail).at("/model"))
        }
    }
}

/// Returns whether the model chooses among several labels or pieces, so that the choice can change.
pub fn chooses(model: &Model) -> bool {
    model.outputs() > 1
}

/// Returns whether the model chooses one label for a text, which the label of a text can be compared
/// with.
pub fn labels_texts(model: &Model) -> bool {
    model.task == Task::TextClassification && chooses(model)
}

/// What the model predicts for a text.
pub struct Reading {
    /// The mean logit of the predicted outputs: of the label, of the labels of the most probable
    /// entities' first tokens, or of the best piece of each mask.
    pub scalar: Scalar,
    /// The positions of these outputs among the reads.
    outputs: Vec<usize>,
}

impl Reading {
    /// Returns what `output`, of the unchanged text, predicts.
    pub fn of(
        question: &Question,
        encoding: &Encoding,
        reads: &Arc<[usize]>,
        output: &RowOutput,
    ) -> Result<Self> {
        let read = ModelOutput { model: &question.model, encoding, reads, output };
        let targets = tasks::of(question.model.task).resolve(question, &read)?;
        let terms: Vec<usize> = targets.iter().flat_map(index).collect();
        if terms.is_empty() {
            return Err(Error::new(Code::InputEmpty, "the text has no output to explain"));
        }
        let weight = 1. / terms.len() as f64;
        let width = question.model.outputs();
        let scalar = Scalar::Sum {
            output: Output::Logit,
            terms: terms.iter().map(|&index| (index, weight)).collect(),
        };
        Ok(Self { scalar, outputs: terms.iter().map(|index| index / width).collect() })
    }

    /// Returns the label or piece with the highest logit at each of the outputs.
    pub fn choices(&self, model: &Model, output: &RowOutput) -> Vec<usize> {
        let width = model.outputs();
        let logits = |read: &usize| &output.logits[read * width..][..width];
        self.outputs.iter().map(|read| highest(logits(read))).collect()
    }

    pub fn value(&self, output: &RowOutput) -> f64 {
        self.scalar.value(&output.logits, &output.probabilities)
    }
}

/// Returns the index of a target's output.
fn index(target: &Resolved) -> Option<usize> {
    match &target.scalar {
        Scalar::Sum { terms, .. } => terms.first().map(|&(index, _)| index),
        Scalar::Highest(_) | Scalar::Cosine(_) => None,
    }
}
