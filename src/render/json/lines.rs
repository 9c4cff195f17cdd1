//! A streamed response: one JSON object per line.

use serde::Serialize;
use utoipa::ToSchema;

use super::convert::{attributions, explained_json, model_echo, usage};
use super::target::target;
use super::{Attributions, ExplainItem, Failed, ModelEcho, Target, Usage};
use crate::error::Error;
use crate::explainer::{Event, Progress};
use crate::model::Model;

/// A line of a response as `application/x-ndjson`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Line<E> {
    /// The progress of a method, if the request has one input.
    Progress { index: usize, progress: ProgressLine },
    /// The result of one input; `index` is the index of the input.
    Result {
        index: usize,
        #[serde(flatten)]
        item: ExplainItem<E>,
    },
    /// The last line.
    End { model: ModelEcho, usage: Usage },
}

/// The progress of a method, with its scores so far.
#[derive(Serialize, ToSchema)]
pub struct ProgressLine {
    pub method: &'static str,
    /// Completed samples or steps.
    pub done: usize,
    /// The maximum number of samples or steps.
    pub of: usize,
    pub explanations: Vec<PartialExplanation>,
}

/// The scores of one target so far.
#[derive(Serialize, ToSchema)]
pub struct PartialExplanation {
    pub target: Target,
    pub attributions: Attributions,
}

/// Converts an event; `problem` converts the error of an input.
pub fn line<E>(event: Event, model: &Model, problem: impl Fn(Error) -> E) -> Line<E> {
    match event {
        Event::Progress(progress) => {
            Line::Progress { index: progress.index, progress: progress_line(progress) }
        }
        Event::Result { index, id, result } => {
            let item = match *result {
                Ok(explained) => {
                    ExplainItem::Explained(Box::new(explained_json(id, explained, model)))
                }
                Err(error) => ExplainItem::Failed(Failed { id, error: problem(error) }),
            };
            Line::Result { index, item }
        }
        Event::End(used) => Line::End { model: model_echo(model), usage: usage(&used) },
    }
}

fn progress_line(progress: Progress) -> ProgressLine {
    let partial = |(resolved, scores): &(_, Vec<_>)| PartialExplanation {
        target: target(resolved),
        attributions: attributions(scores),
    };
    ProgressLine {
        method: progress.method,
        done: progress.done,
        of: progress.of,
        explanations: progress.explanations.iter().map(partial).collect(),
    }
}
