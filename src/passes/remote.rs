//! Rows of a remote model: each is the input without some words, which the server predicts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::job::Finished;
use super::stopped;
use super::time::TimeLimit;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::remote::{Forwarded, Remote, Texts};
use crate::rows::{Row, RowOutput, Want};
use crate::text::by_words::FIRST;
use crate::text::edits::{Change, edited, edits};
use crate::text::{Encoding, Unit};

/// One input of a remote model.
pub struct RemoteRows {
    remote: Arc<Remote>,
    texts: Arc<[String]>,
    /// The words of both texts; each is a token.
    words: Vec<Unit>,
    forwarded: Forwarded,
    time: Option<TimeLimit>,
}

impl RemoteRows {
    pub fn new(
        remote: &Arc<Remote>,
        encoding: &Encoding,
        forwarded: &Forwarded,
        time: Option<TimeLimit>,
    ) -> Self {
        let word = |(index, token): (usize, &crate::text::Token)| Unit {
            text: token.text.clone(),
            start: token.start,
            end: token.end,
            tokens: vec![index],
            segment: token.segment,
        };
        Self {
            remote: Arc::clone(remote),
            texts: Arc::clone(&encoding.texts),
            words: encoding.tokens.iter().enumerate().map(word).collect(),
            forwarded: forwarded.clone(),
            time,
        }
    }

    /// Predicts the text of each row, a batch per call, a few calls at a time.
    pub async fn run(self: &Arc<Self>, model: &Model, rows: Vec<Row>) -> Result<Finished> {
        if let Some(row) = rows.iter().find(|row| !is_prediction(row)) {
            return Err(unsupported(row));
        }
        let start = Instant::now();
        let batches: Vec<Vec<Texts>> = rows
            .chunks(self.remote.settings.batch)
            .map(|batch| batch.iter().map(|row| self.text(row)).collect())
            .collect();
        let answers = try_join_all(batches.into_iter().map(|batch| self.predict(batch))).await?;
        let computed = start.elapsed();
        model.note_pass(&rows, computed.as_secs_f64());
        let scores = answers.into_iter().flatten();
        let outputs = rows.iter().zip(scores).map(|(row, scores)| output(row, scores)).collect();
        Ok(Finished { outputs, waited: Duration::ZERO, computed })
    }

    /// Calls the server on one of its threads. A call that nobody waits for any more is not made.
    async fn predict(self: &Arc<Self>, batch: Vec<Texts>) -> Result<Vec<Vec<f64>>> {
        let (reply, answer) = oneshot::channel();
        let (remote, this) = (Arc::clone(&self.remote), Arc::clone(self));
        self.remote.calls.run(move || {
            if !reply.is_closed() {
                let timeout = this.time.map_or(Duration::MAX, |time| time.remaining());
                // Fails only if nobody waits any more.
                let _ = reply.send(remote.predict(&batch, &this.forwarded, timeout));
            }
        });
        answer.await.map_err(|_| stopped())?
    }

    /// Returns the texts of a row, where absent words are removed or replaced by the mask.
    fn text(&self, row: &Row) -> Texts {
        let ids = &row.tokens.input_ids;
        // Removed words are not there at all.
        let mask = (ids.len() == self.words.len()).then_some(self.remote.settings.mask.as_str());
        let mut present = vec![false; self.words.len()];
        let indexes = ids.iter().filter_map(|id| id.checked_sub(FIRST));
        indexes.for_each(|index| present[index as usize] = true);
        let absent = |segment: usize| -> Vec<Change<'_>> {
            let words = self.words.iter().zip(&present);
            let absent = words.filter(|(word, present)| word.segment == segment && !**present);
            absent.map(|(word, _)| (word, mask)).collect()
        };
        let without =
            |(segment, text): (usize, &String)| edited(text, &edits(text, &absent(segment)));
        self.texts.iter().enumerate().map(without).collect()
    }
}

fn is_prediction(row: &Row) -> bool {
    let wanted = matches!(row.want, Want::Outputs | Want::Values(_));
    wanted && row.path.is_none() && row.maps.layers.is_empty() && row.without.is_none()
}

fn unsupported(row: &Row) -> Error {
    let what = if row.differentiated().is_empty() { "the states" } else { "gradients" };
    let detail = format!("another server predicts this model, so that {what} cannot be had");
    Error::new(Code::MethodNotSupported, detail)
}

/// What the scores of a text are as the output of a row.
fn output(row: &Row, scores: Vec<f64>) -> RowOutput {
    match &row.want {
        Want::Values(scalars) => RowOutput {
            values: scalars.iter().map(|scalar| scalar.value(&scores, &scores)).collect(),
            ..RowOutput::default()
        },
        _ => RowOutput { logits: scores.clone(), probabilities: scores, ..RowOutput::default() },
    }
}
