//! One file per task: which outputs a model of the task reads, how they are presented, and which
//! scalars a target means. To add one, add a file and a line in [`of`].

pub mod answer;
pub mod classification;
pub mod embedding;
mod entities;
pub mod masks;
mod span;
pub mod tokens;
pub mod zero_shot;

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::explanation::{
    Class, Named, Predicted, Prediction, Question, Resolved, ScalarName, Target,
};
use crate::heads::activation::OutputActivation;
use crate::heads::{Labels, Task};
use crate::model::Model;
use crate::rows::{Output, RowOutput, Scalar, highest};
use crate::text::Encoding;

/// How a task handles one input.
pub trait Behaviour: Sync {
    /// Checks that a target is possible for any input.
    fn check(&self, target: &Target, model: &Model) -> Result<()>;

    /// Returns the tokens whose outputs the head computes, ascending; empty for a head with
    /// pooling.
    fn reads(&self, encoding: &Encoding, model: &Model) -> Result<Arc<[usize]>>;

    /// Returns the prediction.
    fn predicted(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted>;

    /// Returns the scalars that a checked target means.
    fn resolve(&self, question: &Question, outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>>;

    /// Returns the maximum number of scalars that a target can mean for an input.
    fn most(&self, target: &Target, model: &Model, encoding: &Encoding) -> usize;

    /// Returns the scalar that a checked target will mean for any input, if it is one that a pass
    /// can explain without a pass before it.
    fn before_pass(&self, _question: &Question) -> Option<Scalar> {
        None
    }
}

/// Checks that a question is possible for any input.
pub fn check(question: &Question) -> Result<()> {
    match &question.candidates {
        Some(candidates) => zero_shot::check(question, candidates),
        None => of(question.model.task).check(&question.target, &question.model),
    }
}

/// Returns the maximum number of scalars that a question's target can mean for an input.
pub fn most(question: &Question, encoding: &Encoding) -> usize {
    match &question.candidates {
        Some(candidates) => zero_shot::most(&question.target, candidates),
        None => of(question.model.task).most(&question.target, &question.model, encoding),
    }
}

/// Returns the activation that turns the logits of a question into probabilities.
pub fn activation(question: &Question) -> OutputActivation {
    match &question.candidates {
        Some(candidates) => zero_shot::activation(candidates),
        None => question.model.activation(),
    }
}

/// Returns the behaviour of a task.
pub fn of(task: Task) -> &'static dyn Behaviour {
    match task {
        Task::TextClassification => &classification::Classification { pairs_only: None },
        Task::NextSentence => &classification::Classification {
            pairs_only: Some("next sentence prediction needs text_pair, the second sentence"),
        },
        Task::TokenClassification => &tokens::Tokens,
        Task::QuestionAnswering => &answer::Answers,
        Task::FillMask => &masks::Masks,
        Task::Embedding => &embedding::Embeddings,
    }
}

/// The outputs of a model for one input.
pub struct ModelOutput<'a> {
    pub model: &'a Model,
    pub encoding: &'a Encoding,
    /// The tokens that the outputs belong to.
    pub reads: &'a [usize],
    pub output: &'a RowOutput,
}

impl ModelOutput<'_> {
    /// Returns the logits of the `position`-th read.
    fn logits(&self, position: usize) -> &[f64] {
        let width = self.model.outputs();
        &self.output.logits[position * width..][..width]
    }

    /// Returns all outputs of the `position`-th read, best first.
    fn ranked(&self, position: usize) -> Vec<Prediction> {
        self.best(position, self.model.outputs())
    }

    /// Returns the best `count` outputs of the `position`-th read.
    fn best(&self, position: usize, count: usize) -> Vec<Prediction> {
        let (logits, first) = (self.logits(position), position * self.model.outputs());
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let prediction = |&index: &usize| Prediction {
            index,
            label: self.model.label(index),
            decoded: self.model.decoded(index),
            logit: logits[index],
            probability: self.output.probabilities[first + index],
        };
        order.iter().take(count).map(prediction).collect()
    }

    /// Returns the scalar of one class of the `position`-th read.
    fn class(&self, position: usize, index: usize, output: Output) -> Resolved {
        let output_index = position * self.model.outputs() + index;
        Resolved {
            token: self.reads.get(position).copied(),
            what: ScalarName::Class(self.named(index)),
            scalar: Scalar::one(output, output_index),
        }
    }

    /// Returns the difference of two classes.
    fn contrast(&self, position: usize, [a, b]: [usize; 2], output: Output) -> Resolved {
        let first = position * self.model.outputs();
        let terms = vec![(first + a, 1.), (first + b, -1.)];
        Resolved {
            token: self.reads.get(position).copied(),
            what: ScalarName::Contrast(self.named(a), self.named(b)),
            scalar: Scalar::Sum { output, terms },
        }
    }

    fn named(&self, index: usize) -> Named {
        Named { index, label: self.model.label(index).into() }
    }

    /// Returns the index in `reads` of a token from the request.
    fn read_index(&self, token: usize, what: &str) -> Result<usize> {
        self.reads.iter().position(|&read| read == token).ok_or_else(|| {
            let known: Vec<String> = self.reads.iter().take(20).map(ToString::to_string).collect();
            let detail = format!("token {token} is not a {what}; choose from {}", known.join(", "));
            Error::new(Code::TargetNotFound, detail).at("/target/token")
        })
    }
}

/// Returns an error for a class that does not exist, with the known ones.
fn not_found(class: &Class, of: &str, known: &str, pointer: &str) -> Error {
    let requested = match class {
        Class::Index(index) => format!("index {index}"),
        Class::Label(name) => format!("label {name:?}"),
    };
    Error::new(Code::TargetNotFound, format!("{of} has no {requested}; it has {known}")).at(pointer)
}

/// Lists names with their indices.
fn numbered(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let numbered = names.enumerate().map(|(index, name)| format!("{index} {name}"));
    numbered.collect::<Vec<_>>().join(", ")
}

/// Returns the index of the output that a request names.
fn find(class: &Class, model: &Model, pointer: &str) -> Result<usize> {
    let found = match class {
        Class::Index(index) => Some(*index).filter(|&index| index < model.outputs()),
        Class::Label(name) => model.output_called(name),
    };
    found.ok_or_else(|| {
        let known = match model.labels() {
            Labels::Named(names) => numbered(names.iter()),
            Labels::Pieces(count) => format!("the {count} pieces of its vocabulary"),
            Labels::Dimensions(_) => "no labels".to_owned(),
        };
        not_found(class, &model.id, &known, pointer)
    })
}

/// Returns the indices of two classes, which must differ.
fn find_contrast([a, b]: &[Class; 2], model: &Model) -> Result<[usize; 2]> {
    let a = find(a, model, "/target/contrast/0")?;
    let b = find(b, model, "/target/contrast/1")?;
    different([a, b])
}

fn different([a, b]: [usize; 2]) -> Result<[usize; 2]> {
    if a == b {
        let detail = "the two classes of a contrast must differ";
        return Err(Error::field("/target/contrast", detail));
    }
    Ok([a, b])
}

/// Returns an error for a target that the task does not support.
fn unsuited(model: &Model, reason: &str, pointer: &str) -> Error {
    let detail = format!("{} is a {} model: {reason}", model.id, model.task.name());
    Error::new(Code::TargetNotFound, detail).at(pointer)
}
