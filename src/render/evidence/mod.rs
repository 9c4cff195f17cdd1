//! Renders evidence as JSON, as an HTML page and for the terminal. Each kind has its own file with
//! all three formats.

pub mod beside;
pub mod counterfactuals;
pub mod examples;
pub mod global_tree;
pub mod probe;
pub mod rules;

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::clean::clean;
use super::json::{Failed, ModelEcho, Prediction, Usage, model_echo, usage};
use super::page;
use super::paint::{Colours, line};
use crate::error::{Error, Result};
use crate::evidence::{Answer, Evidence, Found};
use crate::explanation;
use crate::model::Model;

/// Renders the evidence found for one input.
pub trait Show: Found {
    /// The JSON body. Its fields are merged into those of the input's result.
    type Json: Serialize + ToSchema;

    fn json(&self, model: &Model) -> Self::Json;

    /// Renders the section of the page below the text and its prediction.
    fn page(&self, model: &Model) -> Markup;

    /// Appends the lines below the prediction.
    fn terminal(&self, out: &mut String, colours: Colours, model: &Model);
}

/// The response of an evidence route.
#[derive(Serialize, ToSchema)]
pub struct EvidenceResponse<T, E> {
    pub model: ModelEcho,
    /// One result per input, in order.
    pub results: Vec<EvidenceItem<T, E>>,
    pub usage: Usage,
}

/// The evidence for one input, or its error.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum EvidenceItem<T, E> {
    Found(Box<EvidenceResult<T>>),
    Failed(Failed<E>),
}

/// The evidence for one input.
#[derive(Serialize, ToSchema)]
pub struct EvidenceResult<T> {
    pub id: Option<String>,
    /// The prediction for the input.
    pub prediction: Prediction,
    #[serde(flatten)]
    pub found: T,
    /// Whether the search completed; false if time ran out.
    pub finished: bool,
    /// Whether the input was truncated to fit the model.
    pub truncated: bool,
}

/// A label and its probability.
#[derive(Serialize, ToSchema)]
pub struct LabelBody {
    pub label: String,
    pub index: usize,
    pub probability: f32,
}

impl From<&explanation::Prediction> for LabelBody {
    fn from(prediction: &explanation::Prediction) -> Self {
        Self {
            label: prediction.label.clone(),
            index: prediction.index,
            probability: prediction.probability as f32,
        }
    }
}

/// Renders an answer as JSON. `problem` converts the error of an input.
pub fn json<F: Show, E>(
    answer: Answer<F>,
    problem: impl Fn(Error) -> E,
) -> EvidenceResponse<F::Json, E> {
    let model = &answer.model;
    let item = |(id, result): (Option<String>, Result<Evidence<F>>)| match result {
        Ok(evidence) => EvidenceItem::Found(Box::new(EvidenceResult {
            id,
            found: evidence.found.json(model),
            finished: evidence.found.is_finished(),
            prediction: evidence.prediction.into(),
            truncated: evidence.truncated,
        })),
        Err(error) => EvidenceItem::Failed(Failed { id, error: problem(error) }),
    };
    EvidenceResponse {
        model: model_echo(model),
        results: answer.results.into_iter().map(item).collect(),
        usage: usage(&answer.usage),
    }
}

/// Renders an answer as an HTML page. `problem` formats the error of an input.
pub fn page<F: Show>(
    answer: &Answer<F>,
    title: &str,
    problem: impl Fn(&Error) -> String,
) -> String {
    let body = html! {
        (page::model(&answer.model))
        @for (index, (id, result)) in answer.results.iter().enumerate() {
            section.xp-result.xp-line {
                h2 { bdi { (page::input(index, id.as_deref())) } }
                @match result {
                    Ok(evidence) => {
                        bdi.xp-text lang=(page::language(&answer.model)) { (evidence.text) }
                        p { (prediction_sentence(&evidence.prediction)) }
                        (evidence.found.page(&answer.model))
                        @if !evidence.found.is_finished() { p { (UNFINISHED) } }
                        @if evidence.truncated { p { (CUT) } }
                    },
                    Err(error) => p.xp-error { "No answer. " (problem(error)) },
                }
            }
        }
    };
    clean(&page::document(title, &body))
}

fn prediction_sentence(prediction: &explanation::Prediction) -> Markup {
    html! {
        "The model predicts " strong { bdi { (prediction.label) } }
        (format!(", probability {:.3}.", prediction.probability))
    }
}

const UNFINISHED: &str = "The search is incomplete: time ran out.";
const CUT: &str = "The text was truncated to fit the model.";

/// Renders an answer for the terminal.
pub fn terminal<F: Show>(answer: &Answer<F>, colours: Colours) -> String {
    let mut out = String::new();
    for (_, result) in &answer.results {
        match result {
            Ok(evidence) => {
                let bold = colours.bold();
                let (label, probability) =
                    (clean(&evidence.prediction.label), evidence.prediction.probability);
                line(&mut out, format_args!("{bold}{label}{bold:#}  {probability:.3}\n"));
                evidence.found.terminal(&mut out, colours, &answer.model);
                if !evidence.found.is_finished() {
                    line(&mut out, format_args!("\n{UNFINISHED}"));
                }
                if evidence.truncated {
                    line(&mut out, format_args!("\n{CUT}"));
                }
            }
            Err(error) => line(&mut out, format_args!("{error}")),
        }
    }
    out
}
