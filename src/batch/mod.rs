//! Explains every row of a file, in order, and writes one line per row. An interrupted run
//! continues where it was.
//!
//! The input is read row by row, and a bounded number of rows is in flight. Results are appended in
//! the order of the rows to a file that is renamed once it is complete, so the number of its whole
//! lines says where to continue.

mod columns;
mod manifest;
mod output;
mod records;
mod room;
mod shard;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::time::sleep;

use crate::corpus::CorpusError;
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::{Answer, Question};
use crate::http::Work;
use crate::http::problem::Problem;
use crate::render::json::{self, ExplainItem, Failed};
use crate::text::Input;
pub use manifest::Counts;
pub use output::{Form, Opened, Output};
pub use records::{Record, Records, Survey, records};
use room::Room;
pub use shard::Shard;

/// Why a run cannot begin or continue.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("{0}")]
    Input(#[from] CorpusError),
    #[error("{path}: {1}", path = .0.display())]
    Output(PathBuf, io::Error),
    /// The output belongs to another run.
    #[error("{0}")]
    Refused(String),
    #[error("a result cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// A line of the output.
#[derive(Debug)]
pub struct Line {
    /// The result of POST /explain, without a line break.
    pub json: String,
    pub is_error: bool,
}

/// What is asked about every row.
pub struct Batch {
    explainer: Explainer,
    /// Its inputs are replaced by those of each row.
    question: Question,
}

impl Batch {
    pub fn new(explainer: Explainer, question: Question) -> Self {
        Self { explainer, question }
    }

    /// Fails if the question is invalid whatever the texts are. Its own input is an example.
    pub async fn check(&self) -> Result<()> {
        match self.explainer.estimate(self.question.clone()).await {
            Err(error) if is_about_question(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Explains `records` on the threads of `work` and appends the lines to `output`, in order.
    /// Calls `done` after each line.
    pub async fn run(
        self: &Arc<Self>,
        work: &Work,
        records: &mut Records,
        output: &mut Output,
        done: impl Fn(),
    ) -> Result<(), BatchError> {
        let room = Room::new(self.explainer.limits.response_mebibytes_total << 20, output);
        let mut in_flight = FuturesOrdered::new();
        let mut rows_in_flight = 0;
        loop {
            let rows = room.rows(output);
            // The time limit of a question is that of a row.
            let size = self.question.budget.map_or_else(|| room.rows_per_question(rows), |_| 1);
            while rows_in_flight == 0 || rows_in_flight + size <= rows {
                let some: Vec<Record> = records.by_ref().take(size).collect::<Result<_, _>>()?;
                if some.is_empty() {
                    break;
                }
                rows_in_flight += some.len();
                in_flight.push_back(self.spawn(work, some));
            }
            let Some(lines) = in_flight.next().await.transpose()? else { return Ok(()) };
            rows_in_flight -= lines.len();
            for line in &lines {
                output.add(line)?;
                done();
            }
        }
    }

    /// Explains records on the threads of `work`.
    fn spawn(
        self: &Arc<Self>,
        work: &Work,
        records: Vec<Record>,
    ) -> impl Future<Output = serde_json::Result<Vec<Line>>> + use<> {
        let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        let batch = Arc::clone(self);
        let lines = work.spawn(async move { batch.lines(records).await });
        async move {
            lines.await.unwrap_or_else(|panic| {
                let error = Error::internal(panic);
                ids.into_iter().map(|id| line(&failed(id, error.clone()))).collect()
            })
        }
    }

    /// Returns the line of each record.
    async fn lines(&self, records: Vec<Record>) -> serde_json::Result<Vec<Line>> {
        let named = |record: &Record| {
            let input = record.input.as_ref().ok()?;
            Some(Input { id: Some(record.id.clone()), ..input.clone() })
        };
        let mut items = self.items(records.iter().filter_map(named).collect()).await.into_iter();
        let of_record = |Record { id, input }| match input {
            Err(error) => line(&failed(id, error)),
            Ok(_) => {
                let lost = || failed(id, Error::internal("there is no result"));
                line(&items.next().unwrap_or_else(lost))
            }
        };
        records.into_iter().map(of_record).collect()
    }

    /// Returns the result of each input. If they cannot be explained together, for example because
    /// the response would be too large, explains each by itself.
    async fn items(&self, inputs: Vec<Input>) -> Vec<ExplainItem<Problem>> {
        if inputs.is_empty() {
            return Vec::new();
        }
        if let Ok(answer) = self.answer(inputs.clone()).await {
            return json::explain(answer, problem).results;
        }
        let mut items = Vec::new();
        for input in inputs {
            let id = input.id.clone().unwrap_or_default();
            match self.answer(vec![input]).await {
                Ok(answer) => items.extend(json::explain(answer, problem).results),
                Err(error) => items.push(failed(id, error)),
            }
        }
        items
    }

    /// Explains inputs. If too much work is waiting for them to be done in time, tries again later.
    async fn answer(&self, inputs: Vec<Input>) -> Result<Answer> {
        loop {
            let inputs = inputs.clone();
            match self.explainer.explain(Question { inputs, ..self.question.clone() }).await {
                Err(Error { code: Code::Overloaded, retry_after, .. }) => {
                    sleep(Duration::from_secs(retry_after.unwrap_or(1))).await;
                }
                answer => return answer,
            }
        }
    }
}

fn problem(error: Error) -> Problem {
    Problem::new(error, None)
}

fn line(item: &ExplainItem<Problem>) -> serde_json::Result<Line> {
    let json = serde_json::to_string(item)?;
    Ok(Line { json, is_error: matches!(item, ExplainItem::Failed(_)) })
}

/// Returns the result of a row with an error.
fn failed(id: String, error: Error) -> ExplainItem<Problem> {
    ExplainItem::Failed(Failed { id: Some(id), error: problem(error) })
}

/// Returns whether an error is about a field of the question rather than about the input.
fn is_about_question(error: &Error) -> bool {
    use Code::{ConceptNotFound, CorpusNotFound, InvalidField, MethodNotSupported, TargetNotFound};
    let codes = [ConceptNotFound, CorpusNotFound, InvalidField, MethodNotSupported, TargetNotFound];
    let of_input = ["/text", "/text_pair", "/words", "/spans", "/rationale"];
    let pointer = error.pointer.as_deref().unwrap_or_default();
    codes.contains(&error.code) && !pointer.is_empty() && !of_input.contains(&pointer)
}
