//! One file a task head: from hidden states to outputs, and what they mean. A
//! new one is a file and an entry of [`HEADS`].

pub mod activation;
mod embedding;
mod masked_lm;
mod next_sentence;
mod question_answering;
mod sequence_classification;
mod token_classification;

use crate::architectures::{Built, HeadParts, TransformNames};
use crate::blocks::{self, Transform};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, POOLING, Weights};
use activation::OutputActivation;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    TextClassification,
    TokenClassification,
    QuestionAnswering,
    FillMask,
    NextSentence,
    Embedding,
}

impl Task {
    /// By the name of transformers' pipelines, where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextClassification => "text-classification",
            Self::TokenClassification => "token-classification",
            Self::QuestionAnswering => "question-answering",
            Self::FillMask => "fill-mask",
            Self::NextSentence => "next-sentence-prediction",
            Self::Embedding => "sentence-similarity",
        }
    }
}

/// What the outputs are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// In the order of the logits.
    Named(Vec<String>),
    /// The pieces of the vocabulary, by their ids.
    Pieces(usize),
    /// The dimensions of an embedding have no names.
    Dimensions(usize),
}

/// A task head as its file describes it.
#[derive(Debug)]
pub struct Head {
    pub block: blocks::Head,
    pub labels: Labels,
    pub activation: OutputActivation,
}

/// What a head is made from.
pub struct Parts<'a> {
    pub config: &'a ModelConfig,
    pub checkpoint: &'a Checkpoint,
    pub weights: &'a Weights<'a>,
    pub built: &'a Built,
}

/// An entry of [`HEADS`].
pub struct HeadKind {
    /// How the class name in config.json's `architectures` ends.
    pub class_suffix: &'static str,
    pub task: Task,
    pub build: fn(&Parts<'_>) -> Result<Head, LoadError>,
}

pub static HEADS: &[HeadKind] = &[
    HeadKind {
        class_suffix: "ForSequenceClassification",
        task: Task::TextClassification,
        build: sequence_classification::build,
    },
    HeadKind {
        class_suffix: "ForTokenClassification",
        task: Task::TokenClassification,
        build: token_classification::build,
    },
    HeadKind {
        class_suffix: "ForQuestionAnswering",
        task: Task::QuestionAnswering,
        build: question_answering::build,
    },
    HeadKind { class_suffix: "ForMaskedLM", task: Task::FillMask, build: masked_lm::build },
    HeadKind {
        class_suffix: "ForNextSentencePrediction",
        task: Task::NextSentence,
        build: next_sentence::build,
    },
    HeadKind { class_suffix: "Model", task: Task::Embedding, build: embedding::build },
];

/// The head that `config` names. A folder that says how to pool is a
/// sentence-transformers model, whatever class it was trained from.
pub fn find(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<&'static HeadKind, LoadError> {
    let class = match checkpoint.file(POOLING) {
        Some(_) => "Model",
        None => config.architectures.first().map_or("", String::as_str),
    };
    HEADS.iter().find(|entry| class.ends_with(entry.class_suffix)).ok_or_else(|| {
        let known: Vec<&str> = HEADS.iter().map(|entry| entry.class_suffix).collect();
        let reason = format!(
            "architectures names {class:?}; explaind runs classes that end with {}",
            known.join(", ")
        );
        checkpoint.error(CONFIG, reason)
    })
}

impl Parts<'_> {
    fn fail(&self, reason: impl ToString) -> LoadError {
        self.checkpoint.error(CONFIG, reason)
    }

    /// `norm(act(dense(x)))` to `out` numbers.
    fn transform(&self, names: &TransformNames, out: usize) -> Result<Transform, LoadError> {
        let norm = names.norm.as_ref();
        let norm = norm.map(|norm| self.weights.norm(norm.name, out, norm.eps, norm.bias));
        Ok(Transform {
            dense: self.weights.map(names.dense, out, self.built.hidden_size, names.bias)?,
            activation: names.activation,
            norm: norm.transpose()?,
        })
    }

    /// A head with as many outputs as the checkpoint has.
    fn head(&self, parts: &HeadParts) -> Result<(blocks::Head, usize), LoadError> {
        let hidden = self.built.hidden_size;
        let transform = parts.transform.as_ref().map(|names| self.transform(names, hidden));
        let output = self.weights.linear_of_any_size(parts.output, hidden)?;
        let out = output.out;
        let transform = transform.transpose()?;
        Ok((blocks::Head { pooling: parts.pooling, transform, output: Some(output) }, out))
    }
}
