//! An admitted question, answered at once or as a stream.

use std::future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{join_all, try_join, try_join_all};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt, once, poll_fn, select};
use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use super::events::{Event, Follow};
use super::{TokenizedInput, candidates, similarity, single, windows};
use crate::attention::ResolvedSelection;
use crate::engine::Admitted;
use crate::error::{Code, Error, Result};
use crate::explanation::{Answer, Explained, Found, Question, Used};
use crate::model::Model;
use crate::pace::Pace;
use crate::passes::Passes;
use crate::text::{Encoding, Input};

/// An admitted question, ready to be run. Dropping it stops the work.
pub struct Prepared {
    pub(super) question: Arc<Question>,
    pub(super) tokenized: Vec<Result<TokenizedInput>>,
    pub(super) attention_selection: Option<ResolvedSelection>,
    pub(super) passes: Passes,
    /// Number of tokens to run through the model, of all inputs.
    pub(super) tokens: usize,
    /// Measured time between a request's last pass and its answer.
    pub(super) closing: Arc<Pace>,
    pub(super) _room: Admitted,
}

impl Prepared {
    pub fn model(&self) -> &Arc<Model> {
        &self.question.model
    }

    /// Returns the errors of all inputs, if none could be tokenised.
    pub fn unreadable(&self) -> Option<Vec<Error>> {
        unreadable(&self.tokenized)
    }

    /// Runs the question and returns the results of all inputs.
    pub async fn answer(self) -> Result<Answer> {
        let Self { question, tokenized, attention_selection, passes, tokens, closing, _room } =
            self;
        let mut results = pin!(join_all(tokenized.into_iter().zip(&question.inputs).map(
            async |(tokenized, input)| {
                let follow = Follow::default();
                let explained = run(
                    &question,
                    &passes,
                    attention_selection.as_ref(),
                    input,
                    tokenized,
                    &follow,
                );
                let explained = explained.await;
                (input.id.clone(), explained.map_err(|error| with_pointer(error, input)))
            },
        )));
        let results =
            future::poll_fn(|context| passes.together(|| results.as_mut().poll(context))).await;
        if let Some(elapsed) = passes.since_last_output() {
            closing.note(tokens, elapsed.as_secs_f64());
        }
        let mut usage = zero_usage(&question);
        results.iter().filter_map(|(_, result)| result.as_ref().ok()).for_each(|e| usage.add(e));
        let usage = Used { tokens, passes: passes.usage(), ..usage };
        Ok(Answer { model: Arc::clone(&question.model), results, usage })
    }

    /// Streams results as they become ready, with the progress of a single input, and then the end.
    /// Dropping the stream stops the work. All events go through one channel, so that the progress
    /// of a method never arrives after its result.
    pub fn stream(self) -> impl Stream<Item = Event> + Send {
        let Self { question, tokenized, attention_selection, passes, tokens, _room, .. } = self;
        let single_input = tokenized.len() == 1;
        let used = Arc::new(Mutex::new(zero_usage(&question)));
        let all_used = Arc::clone(&used);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut work: FuturesUnordered<_> = tokenized
            .into_iter()
            .enumerate()
            .map(|(index, tokenized)| {
                let (question, passes) = (Arc::clone(&question), passes.clone());
                let (attention_selection, sender, used) =
                    (attention_selection.clone(), sender.clone(), Arc::clone(&used));
                let work = async move {
                    let input = &question.inputs[index];
                    let follow = Follow { to: single_input.then(|| (index, sender.clone())) };
                    let attention = attention_selection.as_ref();
                    let result =
                        run(&question, &passes, attention, input, tokenized, &follow).await;
                    if let Ok(explained) = &result {
                        used.lock().unwrap_or_else(PoisonError::into_inner).add(explained);
                    }
                    let result = Box::new(result.map_err(|error| with_pointer(error, input)));
                    // Fails only if the receiver is gone.
                    let _ = sender.send(Event::Result { index, id: input.id.clone(), result });
                };
                // In the request's span, because it is polled after the handler has returned.
                work.instrument(Span::current())
            })
            .collect();
        drop(sender);
        let events = poll_fn(move |context| receiver.poll_recv(context)).map(Some);
        let all_passes = passes.clone();
        let work = poll_fn(move |context| all_passes.together(|| work.poll_next_unpin(context)));
        let events = select(events, work.map(|()| None)).filter_map(async |event| event);
        let end = once(async move {
            let _held = _room;
            let used = all_used.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Event::End(Used { tokens, passes: passes.usage(), ..used })
        });
        events.chain(end)
    }
}

/// Returns all errors, if every input failed.
pub(super) fn unreadable(tokenized: &[Result<TokenizedInput>]) -> Option<Vec<Error>> {
    tokenized.iter().map(|input| input.as_ref().err().cloned()).collect()
}

/// Returns zero usage for each method.
fn zero_usage(question: &Question) -> Used {
    Used::by(question.methods.iter().map(|(method, _)| method.name))
}

/// Adds the input's JSON pointer, which tasks do not know, to errors about its text.
fn with_pointer(error: Error, input: &Input) -> Error {
    match error.code {
        Code::InputEmpty => error.at(&input.pointer),
        _ => error,
    }
}

async fn run(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    input: &Input,
    tokenized: Result<TokenizedInput>,
    follow: &Follow,
) -> Result<Explained> {
    match tokenized? {
        TokenizedInput::Windows(whole, parts) => {
            windows::explain(question, passes, attention_selection, whole, parts).await
        }
        TokenizedInput::Candidates(pairs) => {
            let labels = question.candidates.as_ref();
            let labels = labels.ok_or_else(|| Error::internal("pairs without candidates"))?;
            candidates::explain(question, passes, attention_selection, labels, pairs, follow).await
        }
        TokenizedInput::Whole(encoding) => {
            let passes = &passes.reading(&encoding, &question.forwarded);
            let copy = (!question.evidence.is_empty()).then(|| encoding.clone());
            let evidence = find_all(question, passes, input, copy.as_ref());
            let explained = whole(question, passes, attention_selection, encoding, follow);
            let (explained, evidence) = try_join(explained, evidence).await?;
            Ok(Explained { evidence, ..explained })
        }
    }
}

/// Explains a text that is read as a whole.
async fn whole(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    mut encoding: Encoding,
    follow: &Follow,
) -> Result<Explained> {
    match encoding.separate_pair.take() {
        Some(pair) => {
            similarity::explain(question, passes, attention_selection, encoding, *pair).await
        }
        None => single::explain(question, passes, attention_selection, encoding, follow).await,
    }
}

/// Finds all requested kinds of evidence for one input. Without any, no encoding is needed.
async fn find_all(
    question: &Question,
    passes: &Passes,
    input: &Input,
    encoding: Option<&Encoding>,
) -> Result<Vec<Box<dyn Found>>> {
    let Some(encoding) = encoding else { return Ok(Vec::new()) };
    let finders = question.evidence.iter();
    try_join_all(finders.map(|finder| finder.find(passes, question, input, encoding))).await
}
