//! One file per task head: how hidden states become outputs, and what these mean. To add one, add
//! a file and an entry of [`HEADS`].

pub mod activation;
mod cross_encoder;
mod embedding;
mod masked_lm;
mod modules;
mod next_sentence;
mod question_answering;
mod sequence_classification;
mod set_fit;
mod token_classification;

use crate::architectures::{Built, HeadParts, TransformNames};
use crate::blocks::{self, Step};
use crate::checkpoint::layout::ADAPTER_CONFIG;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, ModelConfig, SentenceKind, Weights};
use activation::OutputActivation;

/// The task of a model.
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
    /// Returns the name of transformers' pipeline for the task, if there is one.
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

/// The names of the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// Names in the order of the logits.
    Named(Vec<String>),
    /// The vocabulary pieces, by id.
    Pieces(usize),
    /// The dimensions of an embedding, which have no names.
    Dimensions(usize),
}

/// The description of a task head.
#[derive(Debug)]
pub struct Head {
    pub block: blocks::Head,
    pub labels: Labels,
    pub activation: OutputActivation,
}

/// What a head is built from.
pub struct HeadContext<'a> {
    pub config: &'a ModelConfig,
    pub checkpoint: &'a Checkpoint,
    pub weights: &'a Weights<'a>,
    pub built: &'a Built,
    /// Number of prompt tokens before each text, including the special tokens before the prompt; 0
    /// without a prompt.
    pub prompt_tokens: usize,
}

/// An entry of [`HEADS`].
pub struct HeadKind {
    /// Suffix of the class name in config.json's `architectures`.
    pub class_suffix: &'static str,
    pub task: Task,
    pub build: fn(&HeadContext<'_>) -> Result<Head, LoadError>,
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

/// A cross-encoder whose scores come from modules after the transformer.
static SCORES: HeadKind = HeadKind {
    class_suffix: "CrossEncoder",
    task: Task::TextClassification,
    build: cross_encoder::build,
};

/// A SetFit classifier on an embedding.
static SET_FIT: HeadKind =
    HeadKind { class_suffix: "SetFit", task: Task::TextClassification, build: set_fit::build };

/// Returns the head of a model. Files of sentence-transformers, SetFit and PEFT take precedence
/// over the class in `config`, which may only be the class that the model was trained from.
pub fn find(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<&'static HeadKind, LoadError> {
    let config_class = config.architectures.first().map_or("", String::as_str);
    let adapter_class = checkpoint.adapter().map(|adapter| adapter.class());
    let adapter_class = adapter_class
        .transpose()
        .map_err(|reason| checkpoint.error(ADAPTER_CONFIG, reason))?
        .flatten();
    let class = match checkpoint.sentence() {
        _ if checkpoint.has_classifier() => return Ok(&SET_FIT),
        Some(sentence) => match (sentence.kind, sentence.modules.is_empty()) {
            (SentenceKind::Encoder, _) => "Model",
            (SentenceKind::CrossEncoder, false) => return Ok(&SCORES),
            (SentenceKind::CrossEncoder, true) => "ForSequenceClassification",
        },
        None => adapter_class.unwrap_or(config_class),
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

/// Returns transformers' default label names.
pub fn placeholders(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("LABEL_{index}")).collect()
}

impl HeadContext<'_> {
    fn fail(&self, reason: impl ToString) -> LoadError {
        self.checkpoint.error(CONFIG, reason)
    }

    /// Returns the labels of a classifier with `count` outputs. With an adapter, config.json may
    /// only have the labels of the base model, which can differ.
    fn labels(&self, count: usize) -> Result<Vec<String>, LoadError> {
        match self.config.labels(count) {
            Err(_) if self.checkpoint.adapter().is_some() => Ok(placeholders(count)),
            labels => labels.map_err(|reason| self.fail(reason)),
        }
    }

    /// Builds `norm(act(dense(x)))` with `out` outputs.
    fn transform(&self, names: &TransformNames, out: usize) -> Result<Vec<Step>, LoadError> {
        let dense = self.weights.map(names.dense, out, self.built.hidden_size, names.bias)?;
        let mut steps = vec![Step::map(dense, Some(names.activation))];
        if let Some(norm) = &names.norm {
            steps.push(Step::Norm(self.weights.norm(norm.name, out, norm.eps, norm.bias)?));
        }
        Ok(steps)
    }

    /// Builds a head with as many outputs as the checkpoint has, and returns their number.
    fn head(&self, parts: &HeadParts) -> Result<(blocks::Head, usize), LoadError> {
        let hidden = self.built.hidden_size;
        let mut steps = match &parts.transform {
            Some(names) => self.transform(names, hidden)?,
            None => Vec::new(),
        };
        let output = self.weights.linear_of_any_size(parts.output, hidden)?;
        let out = output.out;
        steps.push(Step::map(output, None));
        Ok((blocks::Head { pooling: parts.pooling.clone(), steps }, out))
    }
}
