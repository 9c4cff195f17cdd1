//! The outputs of models, as tensors.

use super::tensor::{Elements, Part};
use crate::attribution::Granularity;
use crate::error::{Error, Result};
use crate::explanation::{Attention, Explained, Predicted, Prediction};
use crate::heads::{Labels, Task};
use crate::model::Model;
use crate::render::json::number;

/// What has to be computed for an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but the prediction. These are the outputs of requests that name none.
    Prediction,
    /// The same, but only if a request names it.
    Text,
    /// The scores of one method for these units.
    Scores(Granularity),
    Attention,
}

/// An entry of [`OUTPUTS`].
pub struct Output {
    pub name: &'static str,
    pub datatype: &'static str,
    /// Sizes of the dimensions after the first, which is the inputs; -1 if they depend on these.
    pub sizes: fn(&Model) -> Vec<i64>,
    pub needs: Needs,
    /// Whether models of this kind have it.
    pub belongs_to: fn(&Model) -> bool,
    /// Takes what one input contributes from its explanation.
    pub part: fn(&mut Explained) -> Result<Part>,
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All outputs.
pub static OUTPUTS: &[Output] = &[
    Output {
        name: "label",
        datatype: "BYTES",
        sizes: NONE,
        needs: Needs::Prediction,
        belongs_to: has_labels,
        part: |one| Ok(text(best(one)?.label.clone())),
    },
    Output {
        name: "score",
        datatype: "FP32",
        sizes: NONE,
        needs: Needs::Prediction,
        belongs_to: |model| has_labels(model) || model.task == Task::QuestionAnswering,
        part: |one| match &one.predicted {
            Predicted::Answer { answer, .. } => Ok(float(answer.probability)),
            _ => Ok(float(best(one)?.probability)),
        },
    },
    Output {
        name: "logits",
        datatype: "FP32",
        sizes: |model| vec![model.outputs() as i64],
        needs: Needs::Prediction,
        belongs_to: has_labels,
        part: |one| by_index(one, |prediction| prediction.logit),
    },
    Output {
        name: "probabilities",
        datatype: "FP32",
        sizes: |model| vec![model.outputs() as i64],
        needs: Needs::Prediction,
        belongs_to: has_labels,
        part: |one| by_index(one, |prediction| prediction.probability),
    },
    Output {
        name: "token_labels",
        datatype: "BYTES",
        sizes: VARIABLE,
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::TokenClassification,
        part: |one| firsts(one, |best| best.label.clone(), Elements::Texts),
    },
    Output {
        name: "token_scores",
        datatype: "FP32",
        sizes: VARIABLE,
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::TokenClassification,
        part: |one| firsts(one, |best| number(best.probability), Elements::Floats),
    },
    Output {
        name: "answer",
        datatype: "BYTES",
        sizes: NONE,
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::QuestionAnswering,
        part: |one| match &one.predicted {
            Predicted::Answer { answer, .. } => Ok(text(answer.text.clone())),
            _ => Err(other_task("answer")),
        },
    },
    Output {
        name: "answer_span",
        datatype: "INT64",
        sizes: |_| vec![2],
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::QuestionAnswering,
        part: |one| match &one.predicted {
            Predicted::Answer { answer, .. } => {
                let span = [answer.start as i64, answer.end as i64];
                Ok(Part::list(Elements::Integers(span.into())))
            }
            _ => Err(other_task("answer_span")),
        },
    },
    Output {
        name: "mask_tokens",
        datatype: "BYTES",
        sizes: VARIABLE,
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::FillMask,
        part: |one| firsts(one, |best| best.label.clone(), Elements::Texts),
    },
    Output {
        name: "mask_scores",
        datatype: "FP32",
        sizes: VARIABLE,
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::FillMask,
        part: |one| firsts(one, |best| number(best.probability), Elements::Floats),
    },
    Output {
        name: "embedding",
        datatype: "FP32",
        sizes: |model| vec![model.outputs() as i64],
        needs: Needs::Prediction,
        belongs_to: |model| model.task == Task::Embedding,
        part: |one| match &one.predicted {
            Predicted::Similarity(similarity) => Ok(floats(&similarity.embedding)),
            _ => Err(other_task("embedding")),
        },
    },
    Output {
        name: "cosine",
        datatype: "FP32",
        sizes: NONE,
        needs: Needs::Text,
        belongs_to: |model| model.task == Task::Embedding,
        part: |one| match &one.predicted {
            Predicted::Similarity(similarity) => {
                let pair = similarity.pair.as_ref();
                let missing = || Error::field("/outputs", "cosine needs the input text_pair");
                pair.map(|pair| float(pair.cosine)).ok_or_else(missing)
            }
            _ => Err(other_task("cosine")),
        },
    },
    Output {
        name: "tokens",
        datatype: "BYTES",
        sizes: VARIABLE,
        needs: Needs::Text,
        belongs_to: |_| true,
        part: |one| {
            let texts = one.tokens.iter().map(|token| token.text.clone());
            Ok(Part::list(Elements::Texts(texts.collect())))
        },
    },
    Output {
        name: "words",
        datatype: "BYTES",
        sizes: VARIABLE,
        needs: Needs::Text,
        belongs_to: |_| true,
        part: |one| {
            let texts = one.words.iter().map(|word| word.text.clone());
            Ok(Part::list(Elements::Texts(texts.collect())))
        },
    },
    Output {
        name: "attributions",
        datatype: "FP32",
        sizes: VARIABLE,
        needs: Needs::Scores(Granularity::Token),
        belongs_to: |_| true,
        part: |one| scores(one, Granularity::Token),
    },
    Output {
        name: "word_attributions",
        datatype: "FP32",
        sizes: VARIABLE,
        needs: Needs::Scores(Granularity::Word),
        belongs_to: |_| true,
        part: |one| scores(one, Granularity::Word),
    },
    Output {
        name: "attention",
        datatype: "FP32",
        sizes: |_| vec![-1; 4],
        needs: Needs::Attention,
        belongs_to: |_| true,
        part: attention,
    },
];

const NONE: fn(&Model) -> Vec<i64> = |_| Vec::new();
const VARIABLE: fn(&Model) -> Vec<i64> = |_| vec![-1];

/// Returns the outputs of a model.
pub fn of(model: &Model) -> impl Iterator<Item = &'static Output> {
    OUTPUTS.iter().filter(|output| (output.belongs_to)(model))
}

fn has_labels(model: &Model) -> bool {
    let classifies = matches!(model.task, Task::TextClassification | Task::NextSentence);
    classifies && matches!(model.labels(), Labels::Named(_))
}

fn text(text: String) -> Part {
    Part::one(Elements::Texts(vec![text]))
}

fn float(value: f64) -> Part {
    Part::one(Elements::Floats(vec![number(value)]))
}

fn floats(values: &[f64]) -> Part {
    Part::list(Elements::Floats(values.iter().map(|value| number(*value)).collect()))
}

fn best(explained: &Explained) -> Result<&Prediction> {
    match &explained.predicted {
        Predicted::Labels(best_first) => best_first.first().ok_or_else(|| other_task("label")),
        _ => Err(other_task("label")),
    }
}

/// Returns a number per label, in the order of the labels.
fn by_index(explained: &Explained, value: impl Fn(&Prediction) -> f64) -> Result<Part> {
    let Predicted::Labels(best_first) = &explained.predicted else {
        return Err(other_task("logits"));
    };
    let mut order: Vec<&Prediction> = best_first.iter().collect();
    order.sort_by_key(|prediction| prediction.index);
    Ok(floats(&order.into_iter().map(value).collect::<Vec<f64>>()))
}

/// Returns what `value` takes from the best prediction for each token, or each mask.
fn firsts<T>(
    explained: &Explained,
    value: impl Fn(&Prediction) -> T,
    elements: impl Fn(Vec<T>) -> Elements,
) -> Result<Part> {
    let lists: Vec<&Vec<Prediction>> = match &explained.predicted {
        Predicted::Tokens { predictions, .. } => predictions.iter().collect(),
        Predicted::Masks(masks) => masks.iter().map(|mask| &mask.predictions).collect(),
        _ => return Err(other_task("token_labels")),
    };
    let firsts = lists.into_iter().filter_map(|list| list.first());
    Ok(Part::list(elements(firsts.map(value).collect())))
}

fn scores(explained: &Explained, unit: Granularity) -> Result<Part> {
    let first = explained.explanations.first();
    let scores = first.and_then(|first| first.scores.iter().find(|(own, _)| *own == unit));
    let (_, scores) = scores.ok_or_else(|| Error::internal("no scores of these units"))?;
    Ok(floats(scores))
}

fn attention(explained: &mut Explained) -> Result<Part> {
    let attention = explained.attention.take();
    let attention = attention.ok_or_else(|| Error::internal("no attention"))?;
    let Attention { layers, heads, tokens, weights, .. } = attention;
    let shape = vec![layers.len(), heads.map_or(1, |heads| heads.len()), tokens, tokens];
    let elements = Elements::Floats(weights.into_iter().map(number).collect());
    Ok(Part { shape, elements })
}

fn other_task(output: &str) -> Error {
    Error::internal(format!("a prediction without {output}"))
}
