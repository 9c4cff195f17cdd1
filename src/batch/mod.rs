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
mod shard;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

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

/// Rows in flight per core: enough for full passes, also with short texts and cheap methods.
const ROWS_PER_CORE: usize = 16;

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
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let memory = self.explainer.limits.response_mebibytes_total << 20;
        let mut in_flight = FuturesOrdered::new();
        loop {
            let room = room(cores, memory, output);
            while in_flight.len() < room
                && let Some(record) = records.next().transpose()?
            {
                in_flight.push_back(self.spawn(work, record));
            }
            let Some(line) = in_flight.next().await else { return Ok(()) };
            output.add(&line?)?;
            done();
        }
    }

    /// Explains a record on the threads of `work`.
    fn spawn(
        self: &Arc<Self>,
        work: &Work,
        record: Record,
    ) -> impl Future<Output = serde_json::Result<Line>> + use<> {
        let (batch, id) = (Arc::clone(self), record.id.clone());
        let line = work.spawn(async move { batch.line(record).await });
        async move { line.await.unwrap_or_else(|panic| failed(id, Error::internal(panic))) }
    }

    async fn line(&self, record: Record) -> serde_json::Result<Line> {
        let answer = match record.input {
            Ok(input) => self.answer(Input { id: Some(record.id.clone()), ..input }).await,
            Err(error) => Err(error),
        };
        match answer.map(|answer| json::explain(answer, problem).results.pop()) {
            Ok(Some(item)) => line(&item),
            Ok(None) => failed(record.id, Error::internal("there is no result")),
            Err(error) => failed(record.id, error),
        }
    }

    /// Explains an input. If too much work is waiting for it to be done in time, tries again later.
    async fn answer(&self, input: Input) -> Result<Answer> {
        loop {
            let inputs = vec![input.clone()];
            match self.explainer.explain(Question { inputs, ..self.question.clone() }).await {
                Err(Error { code: Code::Overloaded, retry_after, .. }) => {
                    sleep(Duration::from_secs(retry_after.unwrap_or(1))).await;
                }
                answer => return answer,
            }
        }
    }
}

/// Returns the number of rows that may be in flight. Their results are in memory until those of
/// earlier rows are written, so it is lower if lines are long. Begins with two rows per core, until
/// the length of lines is known.
fn room(cores: usize, memory: usize, output: &Output) -> usize {
    let known = output.counts().lines + 2 * cores;
    let fitting = (memory / output.longest().max(1)).max(1);
    (ROWS_PER_CORE * cores).min(known).min(fitting)
}

fn problem(error: Error) -> Problem {
    Problem::new(error, None)
}

fn line(item: &ExplainItem<Problem>) -> serde_json::Result<Line> {
    let json = serde_json::to_string(item)?;
    Ok(Line { json, is_error: matches!(item, ExplainItem::Failed(_)) })
}

/// Returns the line of a row with an error.
fn failed(id: String, error: Error) -> serde_json::Result<Line> {
    line(&ExplainItem::Failed(Failed { id: Some(id), error: problem(error) }))
}

/// Returns whether an error is about a field of the question rather than about the input.
fn is_about_question(error: &Error) -> bool {
    use Code::{ConceptNotFound, CorpusNotFound, InvalidField, MethodNotSupported, TargetNotFound};
    let codes = [ConceptNotFound, CorpusNotFound, InvalidField, MethodNotSupported, TargetNotFound];
    let of_input = ["/text", "/text_pair", "/words", "/spans", "/rationale"];
    let pointer = error.pointer.as_deref().unwrap_or_default();
    codes.contains(&error.code) && !pointer.is_empty() && !of_input.contains(&pointer)
}
