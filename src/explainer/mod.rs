//! The steps of answering a question: encode, admit, predict, attribute, assemble.

mod admitted;
mod candidates;
mod concepts;
mod cost;
mod events;
mod first_pass;
mod prepared;
mod reads;
mod remote;
mod similarity;
mod single;
mod size;
mod steps;
mod windows;

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attention::{self, ResolvedSelection};
use crate::concepts::Concepts;
use crate::config::Limits;
use crate::corpus;
use crate::engine::{Admitted, Corpora, Engine, ModelPool};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Lexicon, Question};
use crate::heads::Task;
use crate::passes::{Passes, TimeLimit};
use crate::tasks::{self, zero_shot};
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, windows::TextWindow};
pub use admitted::AdmittedInputs;
pub use concepts::{Directions, Lesson, counts_labels};
pub use cost::{Estimate, MethodEstimate};
pub use events::{Event, Progress};
pub use prepared::Prepared;

/// Kibibytes of text that are tokenised at the same time; a large body takes all of them.
const TOKENISING_KIB: u32 = 1 << 10;

/// Answers questions with the models in its pool.
pub struct Explainer {
    pub pool: Arc<ModelPool>,
    pub engine: Engine,
    pub limits: Arc<Limits>,
    /// The corpora that inputs are compared with.
    pub corpora: Arc<Corpora>,
    /// The concepts that inputs are located along.
    pub concepts: Arc<Concepts>,
    /// Held while a concept is learned, because the states of all of its texts are in memory.
    learning: Arc<Semaphore>,
    /// Groups of words for questions that have none of their own. A reload replaces them.
    lexicon: Mutex<Arc<Lexicon>>,
    /// Limits the text that is tokenised at the same time, in kibibytes.
    tokenising: Arc<Semaphore>,
    /// CPUs of this process.
    cores: usize,
}

/// A tokenised input, in the form in which it is run.
pub enum TokenizedInput {
    Whole(Encoding),
    /// The whole text, and its overlapping windows.
    Windows(Encoding, Vec<TextWindow>),
    /// The text paired with the hypothesis of each candidate.
    Candidates(Vec<Encoding>),
}

impl TokenizedInput {
    /// Returns the encoding that the answer shows; of several pairs, the longest that it may show.
    fn whole(&self) -> Option<&Encoding> {
        match self {
            Self::Whole(encoding) | Self::Windows(encoding, _) => Some(encoding),
            Self::Candidates(pairs) => pairs.iter().max_by_key(|pair| pair.tokens.len()),
        }
    }

    /// Returns the encodings that attention may be returned for.
    fn shown(&self) -> Vec<&Encoding> {
        match self {
            Self::Whole(_) | Self::Windows(..) => self.encodings(),
            Self::Candidates(_) => self.whole().into_iter().collect(),
        }
    }

    /// Returns the most tokens of the sequences that one scalar depends on together: the longest
    /// pairs that a candidate's scalar needs, or one sequence.
    fn joint_tokens(&self, question: &Question) -> usize {
        let needed = question.candidates.as_ref().map_or(1, |candidates| {
            zero_shot::pairs(&question.target, question.output, candidates)
        });
        let mut lengths: Vec<usize> = self.encodings().into_iter().map(Encoding::len).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.iter().take(needed).sum()
    }

    /// Returns the sequences to run through the model.
    fn encodings(&self) -> Vec<&Encoding> {
        match self {
            Self::Whole(encoding) => vec![encoding],
            Self::Windows(_, parts) => parts.iter().map(|part| &part.encoding).collect(),
            Self::Candidates(pairs) => pairs.iter().collect(),
        }
    }
}

/// A validated question with its tokenised inputs.
struct Checked {
    question: Arc<Question>,
    tokenized: Vec<Result<TokenizedInput>>,
    attention_selection: Option<ResolvedSelection>,
}

/// When the time of a question began, and its limit.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    limit: Duration,
}

impl Clock {
    fn remaining(self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }
}

impl Explainer {
    pub fn new(pool: Arc<ModelPool>, engine: Engine, limits: Arc<Limits>) -> Self {
        let size = corpus::Limits { rows: limits.corpus_rows, bytes: limits.corpus_bytes };
        let corpora = Arc::new(Corpora::new(size));
        let tokenising = Arc::new(Semaphore::new(TOKENISING_KIB as usize));
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (concepts, lexicon, learning) =
            (Arc::default(), Mutex::default(), Arc::new(Semaphore::new(1)));
        Self { pool, engine, limits, corpora, concepts, learning, lexicon, tokenising, cores }
    }

    /// Sets the concepts.
    pub fn with_concepts(self, concepts: Concepts) -> Self {
        Self { concepts: Arc::new(concepts), ..self }
    }

    /// Sets the lexicon for questions that have none of their own, from now on.
    pub fn set_lexicon(&self, lexicon: Lexicon) {
        *self.lexicon.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(lexicon);
    }

    /// Returns the lexicon for questions that have none of their own.
    pub fn lexicon(&self) -> Arc<Lexicon> {
        Arc::clone(&self.lexicon.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Explains every input. The errors of single inputs are part of the answer; an error returned
    /// here concerns the whole request.
    pub async fn explain(&self, question: Question) -> Result<Answer> {
        self.prepare(question).await?.answer().await
    }

    /// Validates, tokenises and admits a question; only the work itself remains.
    pub async fn prepare(&self, question: Question) -> Result<Prepared> {
        let (checked, clock) = self.checked(question).await?;
        size::check(&checked, &self.limits)?;
        let admission = &self.engine.admission;
        let room = admission.admit(cost::demand(&checked, admission, clock.remaining()))?;
        let Checked { question, tokenized, attention_selection } = checked;
        let tokens =
            tokenized.iter().flatten().flat_map(TokenizedInput::encodings).map(Encoding::len).sum();
        let passes = self.passes(&question, &room, tokens, clock);
        let closing = Arc::clone(&self.engine.closing);
        Ok(Prepared {
            question,
            tokenized,
            attention_selection,
            passes,
            tokens,
            closing,
            _room: room,
        })
    }

    /// Estimates the cost of a question without running it. If every input is invalid, returns the
    /// error of the first one.
    pub async fn estimate(&self, question: Question) -> Result<Estimate> {
        let (checked, clock) = self.checked(question).await?;
        size::check(&checked, &self.limits)?;
        match prepared::unreadable(&checked.tokenized).and_then(|errors| errors.into_iter().next())
        {
            Some(error) => Err(error),
            None => Ok(cost::estimate(&checked, &self.engine.admission, clock.limit)),
        }
    }

    /// Validates a question and tokenises its inputs within its time limit: its own budget, if that
    /// is below the service's limit.
    async fn checked(&self, question: Question) -> Result<(Checked, Clock)> {
        let clock = self.clock(&question);
        let checked = self.time_limit(&question).before_deadline(self.read(question)).await??;
        Ok((checked, clock))
    }

    fn clock(&self, question: &Question) -> Clock {
        let max = self.limits.request_time();
        Clock {
            start: question.since.map_or_else(Instant::now, Instant::from_std),
            limit: question.budget.map_or(max, |budget| budget.min(max)),
        }
    }

    /// Returns the time limit of a question.
    pub fn time_limit(&self, question: &Question) -> TimeLimit {
        let Clock { start, limit } = self.clock(question);
        TimeLimit::new(start, limit, Duration::ZERO)
    }

    /// Returns a handle for the passes of an admitted question, which leaves time to respond.
    fn passes(&self, of: &Question, admitted: &Admitted, tokens: usize, clock: Clock) -> Passes {
        let closing = self.engine.closing.seconds_for(tokens).unwrap_or_default();
        let closing = Duration::from_secs_f64(closing);
        let requester = Arc::clone(admitted.requester());
        let time = TimeLimit::new(clock.start, clock.limit, closing);
        self.engine.passes(&of.model, requester).within(time)
    }

    /// Validates a question and tokenises its inputs.
    async fn read(&self, question: Question) -> Result<Checked> {
        remote::check(&question)?;
        tasks::check(&question)?;
        windows::check(&question)?;
        check_evidence(&question)?;
        if question.evaluate.is_some() && question.model.task == Task::Embedding {
            let detail = "measures remove words from one text, but a similarity has two";
            return Err(Error::field("/evaluate", detail));
        }
        let attention_selection = attention::resolve_selection(&question)?;
        let question = Arc::new(question);
        let tokenized = self.tokenize_all(&question).await?;
        Ok(Checked { question, tokenized, attention_selection })
    }
}

/// Checks that evidence is asked for only with whole texts and the model's own labels.
fn check_evidence(question: &Question) -> Result<()> {
    let divided = question.window.is_some() || question.candidates.is_some();
    if divided && !question.evidence.is_empty() {
        let detail = "evidence is found for whole texts and the model's own labels; leave out \
                      window and candidate_labels, or evidence";
        return Err(Error::field("/evidence", detail));
    }
    Ok(())
}

impl Explainer {
    /// Tokenises the inputs on threads that may block, one part per core. Limits the amount of text,
    /// because tokenising takes many times its memory. Stops between inputs if the caller has gone
    /// away.
    async fn tokenize_all(&self, question: &Arc<Question>) -> Result<Vec<Result<TokenizedInput>>> {
        let bytes: usize = question.inputs.iter().flat_map(Input::texts).map(String::len).sum();
        // Each text is paired with the hypothesis of every candidate.
        let pairs = question.candidates.as_ref().map_or(1, |labels| labels.hypotheses.len());
        let bytes = bytes.saturating_mul(pairs);
        let room = u32::try_from(1 + (bytes >> 10)).unwrap_or(TOKENISING_KIB).min(TOKENISING_KIB);
        let permit = Arc::clone(&self.tokenising).acquire_many_owned(room);
        // The semaphore is never closed.
        let permit = Arc::new(permit.await.map_err(Error::internal)?);
        let cancelled = CancellationToken::new();
        let _cancel_on_drop = cancelled.clone().drop_guard();
        let (count, max_windows) = (question.inputs.len(), self.limits.windows);
        let part = count.div_ceil(self.cores).max(1);
        let tokenize_part = |start: usize| {
            let (question, cancelled) = (Arc::clone(question), cancelled.clone());
            let permit = Arc::clone(&permit);
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let inputs = &question.inputs[start..count.min(start + part)];
                let inputs = inputs.iter().take_while(|_| !cancelled.is_cancelled());
                inputs.map(|input| tokenize_one(&question, input, max_windows)).collect::<Vec<_>>()
            })
        };
        let parts = try_join_all((0..count).step_by(part).map(tokenize_part)).await;
        Ok(parts.map_err(Error::internal)?.into_iter().flatten().collect())
    }
}

fn tokenize_one(question: &Question, input: &Input, max_windows: usize) -> Result<TokenizedInput> {
    let truncate = match question.window {
        Some(_) => Truncate::Windows { most: max_windows },
        None => question.truncate,
    };
    match &question.candidates {
        Some(candidates) => candidates::tokenized(question, candidates, input, truncate),
        None => {
            let encoding = question.model.encode(input, truncate)?;
            windows::tokenized(question, encoding, input, max_windows)
        }
    }
}
