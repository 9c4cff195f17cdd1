//! An answer piece by piece, a line each.

use serde::Serialize;
use utoipa::ToSchema;

use super::convert::{attributions, explained_json, model_echo, target, usage};
use super::{Attributions, ExplainItem, Failed, ModelEcho, Target, Usage};
use crate::error::Error;
use crate::explainer::{Event, Progress};
use crate::model::Model;

/// A line of an answer as `application/x-ndjson`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Line<E> {
    /// How far a method has come, of a request with one input.
    Progress { index: usize, progress: ProgressLine },
    /// All of one input; `index` is its place among the inputs.
    Result {
        index: usize,
        #[serde(flatten)]
        item: ExplainItem<E>,
    },
    /// The last line.
    End { model: ModelEcho, usage: Usage },
}

/// A method on its way; its scores can be shown already.
#[derive(Serialize, ToSchema)]
pub struct ProgressLine {
    pub method: &'static str,
    /// Samples or steps.
    pub done: usize,
    /// The most that there will be.
    pub of: usize,
    pub explanations: Vec<PartialExplanation>,
}

/// One target's scores so far.
#[derive(Serialize, ToSchema)]
pub struct PartialExplanation {
    pub target: Target,
    pub attributions: Attributions,
}

/// Renders a piece; `problem` says how an input's error is written.
pub fn line<E>(event: Event, model: &Model, problem: impl Fn(Error) -> E) -> Line<E> {
    match event {
        Event::Progress(progress) => {
            Line::Progress { index: progress.index, progress: progress_line(progress) }
        }
        Event::Result { index, id, result } => {
            let item = match *result {
                Ok(explained) => ExplainItem::Explained(Box::new(explained_json(id, explained))),
                Err(error) => ExplainItem::Failed(Failed { id, error: problem(error) }),
            };
            Line::Result { index, item }
        }
        Event::End(used) => Line::End { model: model_echo(model), usage: usage(&used) },
    }
}

fn progress_line(progress: Progress) -> ProgressLine {
    let partial = |(of, scores): &(_, Vec<_>)| PartialExplanation {
        target: target(of),
        attributions: attributions(scores),
    };
    ProgressLine {
        method: progress.method,
        done: progress.done,
        of: progress.of,
        explanations: progress.explanations.iter().map(partial).collect(),
    }
}
