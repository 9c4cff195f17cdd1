//! One file a task: what of an input a model of that task reads, what its
//! outputs say, and which of them a target means. A new one is a file and a
//! line of [`of`].

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
use crate::explanation::{Class, Named, Predicted, Prediction, Question, Resolved, Target, What};
use crate::heads::activation::OutputActivation;
use crate::heads::{Labels, Task};
use crate::model::Model;
use crate::rows::{Output, RowOutput, Scalar};
use crate::text::Encoding;

/// What a task does with one input.
pub trait Behaviour: Sync {
    /// Refuses a target that no input can have.
    fn check(&self, target: &Target, model: &Model) -> Result<()>;

    /// The tokens whose outputs the head gives, ascending; none where it gives
    /// them once.
    fn reads(&self, encoding: &Encoding, model: &Model) -> Result<Arc<[usize]>>;

    /// What the outputs say.
    fn predicted(&self, question: &Question, read: &Read<'_>) -> Result<Predicted>;

    /// The scalars that a checked target means.
    fn resolve(&self, question: &Question, read: &Read<'_>) -> Result<Vec<Resolved>>;

    /// The most scalars that a target can mean for an input.
    fn most(&self, target: &Target, model: &Model, encoding: &Encoding) -> usize;
}

/// Refuses what no input can be asked.
pub fn check(question: &Question) -> Result<()> {
    match &question.candidates {
        Some(candidates) => zero_shot::check(question, candidates),
        None => of(question.model.task).check(&question.target, &question.model),
    }
}

/// The most scalars that a question's target can mean for an input.
pub fn most(question: &Question, encoding: &Encoding) -> usize {
    match &question.candidates {
        Some(candidates) => zero_shot::most(&question.target, candidates),
        None => of(question.model.task).most(&question.target, &question.model, encoding),
    }
}

/// How the logits of a question's answer become probabilities.
pub fn activation(question: &Question) -> OutputActivation {
    match &question.candidates {
        Some(candidates) => zero_shot::activation(candidates),
        None => question.model.activation(),
    }
}

/// The behaviour of a task.
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

/// One input as a model has read it.
pub struct Read<'a> {
    pub model: &'a Model,
    pub encoding: &'a Encoding,
    /// The tokens that the outputs belong to.
    pub reads: &'a [usize],
    pub output: &'a RowOutput,
}

impl Read<'_> {
    /// The logits of the `number`-th token that was read.
    fn logits(&self, number: usize) -> &[f64] {
        let width = self.model.outputs();
        &self.output.logits[number * width..][..width]
    }

    /// Every output of the `number`-th token that was read, best first.
    fn ranked(&self, number: usize) -> Vec<Prediction> {
        self.best(number, self.model.outputs())
    }

    /// The best `count` outputs of the `number`-th token that was read.
    fn best(&self, number: usize, count: usize) -> Vec<Prediction> {
        let (logits, first) = (self.logits(number), number * self.model.outputs());
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

    /// The scalar of one class of the `number`-th token that was read.
    fn class(&self, number: usize, index: usize, output: Output) -> Resolved {
        let place = number * self.model.outputs() + index;
        Resolved {
            token: self.reads.get(number).copied(),
            what: What::Class(self.named(index)),
            scalar: Scalar::one(output, place),
        }
    }

    /// The difference of two.
    fn contrast(&self, number: usize, [a, b]: [usize; 2], output: Output) -> Resolved {
        let first = number * self.model.outputs();
        let terms = vec![(first + a, 1.), (first + b, -1.)];
        Resolved {
            token: self.reads.get(number).copied(),
            what: What::Contrast(self.named(a), self.named(b)),
            scalar: Scalar::Sum { output, terms },
        }
    }

    fn named(&self, index: usize) -> Named {
        Named { index, label: self.model.label(index).into() }
    }

    /// The number among the reads of a token that a caller names.
    fn number_of(&self, token: usize, what: &str) -> Result<usize> {
        self.reads.iter().position(|&read| read == token).ok_or_else(|| {
            let known: Vec<String> = self.reads.iter().take(20).map(ToString::to_string).collect();
            let detail = format!("token {token} is no {what}; those are {}", known.join(", "));
            Error::new(Code::TargetNotFound, detail).at("/target/token")
        })
    }
}

/// The first of the highest.
fn highest(values: &[f64]) -> usize {
    let better = |best: usize, i: usize| if values[i] > values[best] { i } else { best };
    (0..values.len()).fold(0, better)
}

/// What a caller's class was, and what there is.
fn not_found(class: &Class, of: &str, known: &str, pointer: &str) -> Error {
    let asked = match class {
        Class::Index(index) => format!("index {index}"),
        Class::Label(name) => format!("label {name:?}"),
    };
    Error::new(Code::TargetNotFound, format!("{of} has no {asked}; it has {known}")).at(pointer)
}

/// Names with their numbers.
fn numbered(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let numbered = names.enumerate().map(|(index, name)| format!("{index} {name}"));
    numbered.collect::<Vec<_>>().join(", ")
}

/// The output that a caller names.
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

/// Two classes that differ.
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

/// A target of another task.
fn unsuited(model: &Model, what: &str, pointer: &str) -> Error {
    let detail = format!("{} is a {} model: {what}", model.id, model.task.name());
    Error::new(Code::TargetNotFound, detail).at(pointer)
}
