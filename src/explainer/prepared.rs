//! A question that was let in: answered at once, or piece by piece.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt, once, poll_fn, select};
use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use super::{Reading, apart, candidates, single, windows};
use crate::attention::Wished;
use crate::engine::Admitted;
use crate::error::{Code, Error, Result};
use crate::explanation::{Answer, Explained, Question, Resolved, UnitScores, Used};
use crate::model::Model;
use crate::pace::Pace;
use crate::passes::Passes;
use crate::text::Input;

/// Work that has its room; dropped, it stops.
pub struct Prepared {
    pub(super) question: Arc<Question>,
    pub(super) readings: Vec<Result<Reading>>,
    pub(super) wished: Option<Wished>,
    pub(super) passes: Passes,
    /// That are put through the model, of all inputs.
    pub(super) tokens: usize,
    /// How long requests take from their last pass to their answer.
    pub(super) closing: Arc<Pace>,
    pub(super) _room: Admitted,
}

/// A piece of an answer.
pub enum Event {
    /// How far a method has come with the input of this number.
    Progress(Progress),
    /// All about the input of this number.
    Result { index: usize, id: Option<String>, result: Box<Result<Explained>> },
    /// The last one.
    End(Used),
}

/// A method on its way, with scores that can be shown already.
pub struct Progress {
    pub index: usize,
    pub method: &'static str,
    pub done: usize,
    pub of: usize,
    pub explanations: Vec<(Resolved, UnitScores)>,
}

/// Who follows an input, if anybody does.
#[derive(Clone, Default)]
pub struct Follow {
    pub(super) to: Option<(usize, mpsc::UnboundedSender<Event>)>,
}

impl Prepared {
    pub fn model(&self) -> &Arc<Model> {
        &self.question.model
    }

    /// What is wrong with the inputs, where none can be read.
    pub fn unreadable(&self) -> Option<Vec<Error>> {
        unreadable(&self.readings)
    }

    /// Every input's answer.
    pub async fn answer(self) -> Result<Answer> {
        let Self { question, readings, wished, passes, tokens, closing, _room } = self;
        let results =
            join_all(readings.into_iter().zip(&question.inputs).map(async |(reading, input)| {
                let follow = Follow::default();
                let explained = one(&question, &passes, wished.as_ref(), reading, &follow).await;
                (input.id.clone(), explained.map_err(|error| placed(error, input)))
            }))
            .await;
        if let Some(elapsed) = passes.since_last_output() {
            closing.note(tokens, elapsed.as_secs_f64());
        }
        let mut usage = account(&question);
        results.iter().filter_map(|(_, result)| result.as_ref().ok()).for_each(|e| usage.add(e));
        let usage = Used { tokens, passes: passes.usage(), ..usage };
        Ok(Answer { model: Arc::clone(&question.model), results, usage })
    }

    /// Results as they are ready, and the progress of a lone input; then the end.
    /// Dropping the stream stops the work. All of it comes by one channel: what a
    /// method has so far never comes after what it came to.
    pub fn stream(self) -> impl Stream<Item = Event> + Send {
        let Self { question, readings, wished, passes, tokens, _room, .. } = self;
        let lone = readings.len() == 1;
        let used = Arc::new(Mutex::new(account(&question)));
        let all_used = Arc::clone(&used);
        let (told, mut telling) = mpsc::unbounded_channel();
        let work: FuturesUnordered<_> = readings
            .into_iter()
            .enumerate()
            .map(|(index, reading)| {
                let (question, passes) = (Arc::clone(&question), passes.clone());
                let (wished, told, used) = (wished.clone(), told.clone(), Arc::clone(&used));
                let work = async move {
                    let input = &question.inputs[index];
                    let follow = Follow { to: lone.then(|| (index, told.clone())) };
                    let result = one(&question, &passes, wished.as_ref(), reading, &follow).await;
                    if let Ok(explained) = &result {
                        used.lock().unwrap_or_else(PoisonError::into_inner).add(explained);
                    }
                    let result = Box::new(result.map_err(|error| placed(error, input)));
                    // Nobody reads any more where the receiver is gone.
                    let _ = told.send(Event::Result { index, id: input.id.clone(), result });
                };
                // The request's: it is polled after the handler has returned.
                work.instrument(Span::current())
            })
            .collect();
        drop(told);
        let pieces = poll_fn(move |context| telling.poll_recv(context)).map(Some);
        let pieces = select(pieces, work.map(|()| None)).filter_map(async |piece| piece);
        let end = once(async move {
            let _held = _room;
            let used = all_used.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Event::End(Used { tokens, passes: passes.usage(), ..used })
        });
        pieces.chain(end)
    }
}

/// The errors, where there is nothing else.
pub(super) fn unreadable(readings: &[Result<Reading>]) -> Option<Vec<Error>> {
    readings.iter().map(|reading| reading.as_ref().err().cloned()).collect()
}

/// An account for each method.
fn account(question: &Question) -> Used {
    Used::by(question.methods.iter().map(|(method, _)| method.name))
}

/// A task that misses something in a text knows no place of it.
fn placed(error: Error, input: &Input) -> Error {
    match error.code {
        Code::InputEmpty => error.at(&input.pointer),
        _ => error,
    }
}

async fn one(
    question: &Question,
    passes: &Passes,
    wished: Option<&Wished>,
    reading: Result<Reading>,
    follow: &Follow,
) -> Result<Explained> {
    match reading? {
        Reading::Parts(whole, parts) => {
            windows::explain(question, passes, wished, whole, parts).await
        }
        Reading::Candidates(pairs) => {
            let asked = question.candidates.as_ref();
            let asked = asked.ok_or_else(|| Error::internal("pairs without candidates"))?;
            candidates::explain(question, passes, wished, asked, pairs, follow).await
        }
        Reading::Whole(mut encoding) => match encoding.apart.take() {
            Some(pair) => apart::explain(question, passes, wished, encoding, *pair).await,
            None => single::explain(question, passes, wished, encoding, follow).await,
        },
    }
}
