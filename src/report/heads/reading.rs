//! What the importance of heads is of: the mean logit of what the model predicts for an input, or the
//! cosine of two texts that are embedded separately.

use std::sync::Arc;

use super::First;
use crate::error::{Code, Error, Result};
use crate::explanation::{Question, Resolved};
use crate::heads::Task;
use crate::model::Model;
use crate::rows::{Output, RowOutput, Scalar, highest};
use crate::tasks::{self, ModelOutput, embedding};
use crate::text::Encoding;

/// Returns the number of labels, pieces or tokens that a prediction is chosen among; 1 if it is a
/// number.
pub fn choices_of(model: &Model) -> usize {
    match model.task {
        Task::Embedding => 1,
        // Any token of the text.
        Task::QuestionAnswering => usize::MAX,
        _ => model.outputs(),
    }
}

/// Returns whether the model chooses one label for an input, which the label of the corpus can be
/// compared with.
pub fn labels_texts(model: &Model) -> bool {
    matches!(model.task, Task::TextClassification | Task::NextSentence) && model.outputs() > 1
}

/// What the model predicts for an input.
pub struct Reading {
    /// The mean logit of the predicted outputs: of the label, of the labels of the most probable
    /// entities' first tokens, of the best piece of each mask, or of the start and the end of the
    /// answer; for embedding models the cosine with the second text.
    pub scalar: Scalar,
    /// The positions of these outputs among the reads.
    outputs: Vec<usize>,
}

impl Reading {
    /// Returns what `output`, of the unchanged input, predicts.
    pub fn of(
        question: &Question,
        encoding: &Encoding,
        reads: &Arc<[usize]>,
        output: &RowOutput,
    ) -> Result<Self> {
        let terms = predicted(question, encoding, reads, output)?;
        let weight = 1. / terms.len() as f64;
        let width = question.model.outputs();
        let scalar = Scalar::Sum {
            output: Output::Logit,
            terms: terms.iter().map(|&index| (index, weight)).collect(),
        };
        Ok(Self { scalar, outputs: terms.iter().map(|index| index / width).collect() })
    }

    /// Returns the similarity of a text, which is embedded by itself, with `other`.
    pub fn similarity(other: &RowOutput) -> Self {
        Self { scalar: embedding::cosine_with(other, 0).scalar, outputs: Vec::new() }
    }

    pub fn value(&self, output: &RowOutput) -> f64 {
        self.scalar.value(&output.logits, &output.probabilities)
    }
}

/// Returns what is chosen if the outputs are `output`: the label or piece with the highest logit at
/// each of the predicted outputs, the first and the last token of the answer, or 0 for a number.
pub fn choices(
    question: &Question,
    encoding: &Encoding,
    first: &First,
    output: &RowOutput,
) -> Result<Vec<usize>> {
    let width = question.model.outputs();
    match question.model.task {
        Task::Embedding => Ok(vec![0]),
        Task::QuestionAnswering => {
            let terms = predicted(question, encoding, &first.reads, output)?;
            Ok(terms.iter().map(|index| first.reads[index / width]).collect())
        }
        _ => {
            let logits = |read: &usize| &output.logits[read * width..][..width];
            Ok(first.reading.outputs.iter().map(|read| highest(logits(read))).collect())
        }
    }
}

/// Returns the indexes of the outputs that `output` predicts.
fn predicted(
    question: &Question,
    encoding: &Encoding,
    reads: &Arc<[usize]>,
    output: &RowOutput,
) -> Result<Vec<usize>> {
    let read = ModelOutput { model: &question.model, encoding, reads, output };
    let targets = tasks::of(question.model.task).resolve(question, &read)?;
    let terms: Vec<usize> = targets.iter().flat_map(index).collect();
    match terms.is_empty() {
        true => Err(Error::new(Code::InputEmpty, "the text has no output to explain")),
        false => Ok(terms),
    }
}

/// Returns the index of a target's output.
fn index(target: &Resolved) -> Option<usize> {
    match &target.scalar {
        Scalar::Sum { terms, .. } => terms.first().map(|&(index, _)| index),
        Scalar::Highest(_) | Scalar::Cosine(_) => None,
    }
}
