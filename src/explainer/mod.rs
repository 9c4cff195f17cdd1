//! One question's way: encode, admit, predict, attribute, assemble.

mod apart;
mod candidates;
mod cost;
mod prepared;
mod single;
mod size;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attention::{self, Wished};
use crate::config::Limits;
use crate::engine::{Engine, ModelPool};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Question};
use crate::heads::Task;
use crate::pace::Pace;
use crate::passes::TimeLimit;
use crate::tasks;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, windows::Part};
pub use cost::{Estimate, MethodEstimate};
pub use prepared::{Event, Prepared, Progress};

/// Kibibytes of text that are tokenised at a time: all of a large body.
const READING: u32 = 1 << 10;

/// Answers questions with the models in its pool.
pub struct Explainer {
    pub pool: Arc<ModelPool>,
    pub engine: Engine,
    pub limits: Arc<Limits>,
    /// Room to tokenise, in kibibytes of text.
    reading: Arc<Semaphore>,
}

/// An input as it will be read.
pub enum Reading {
    Whole(Encoding),
    /// In parts that overlap.
    Parts(Encoding, Vec<Part>),
    /// Beside the hypothesis of each candidate.
    Candidates(Vec<Encoding>),
}

impl Reading {
    /// All of it, as it is shown; of several pairs the longest may be.
    fn whole(&self) -> Option<&Encoding> {
        match self {
            Self::Whole(encoding) | Self::Parts(encoding, _) => Some(encoding),
            Self::Candidates(pairs) => pairs.iter().max_by_key(|pair| pair.tokens.len()),
        }
    }

    /// What attention is shown of.
    fn shown(&self) -> Vec<&Encoding> {
        match self {
            Self::Whole(_) | Self::Parts(..) => self.encodings(),
            Self::Candidates(_) => self.whole().into_iter().collect(),
        }
    }

    /// What is put through the model at a time.
    fn encodings(&self) -> Vec<&Encoding> {
        match self {
            Self::Whole(encoding) => vec![encoding],
            Self::Parts(_, parts) => parts.iter().map(|part| &part.encoding).collect(),
            Self::Candidates(pairs) => pairs.iter().collect(),
        }
    }
}

/// A question that makes sense, with its inputs read.
struct Checked {
    question: Arc<Question>,
    readings: Vec<Result<Reading>>,
    wished: Option<Wished>,
}

impl Explainer {
    pub fn new(pool: Arc<ModelPool>, engine: Engine, limits: Arc<Limits>) -> Self {
        Self { pool, engine, limits, reading: Arc::new(Semaphore::new(READING as usize)) }
    }

    /// Explains every input. An input that fails does not fail the others; an
    /// error here is one of the whole request.
    pub async fn explain(&self, question: Question) -> Result<Answer> {
        self.prepare(question).await?.answer().await
    }

    /// Checks, reads and admits a question; what is left to do is the work.
    pub async fn prepare(&self, question: Question) -> Result<Prepared> {
        let limit = self.limit(&question);
        let start = question.since.map_or_else(Instant::now, Instant::from_std);
        let reading = TimeLimit::new(start, limit, Duration::ZERO);
        let checked = reading.before_deadline(self.read(question)).await??;
        size::check(&checked, &self.limits)?;
        let admission = &self.engine.admission;
        let left = limit.saturating_sub(start.elapsed());
        let room = admission.admit(cost::demand(&checked, admission, left))?;
        let Checked { question, readings, wished } = checked;
        let tokens =
            readings.iter().flatten().flat_map(Reading::encodings).map(Encoding::len).sum();
        let closing = Arc::clone(&self.engine.closing);
        let time = TimeLimit::new(start, limit, expected(&closing, tokens));
        let requester = Arc::clone(room.requester());
        let passes = self.engine.passes(&question.model, requester).within(time);
        Ok(Prepared { question, readings, wished, passes, tokens, closing, _room: room })
    }

    /// What a question would cost; nothing is run. One that would be refused for all
    /// of its inputs is refused for the first, rather than said to cost nothing.
    pub async fn estimate(&self, question: Question) -> Result<Estimate> {
        let limit = self.limit(&question);
        let start = question.since.map_or_else(Instant::now, Instant::from_std);
        let reading = TimeLimit::new(start, limit, Duration::ZERO);
        let checked = reading.before_deadline(self.read(question)).await??;
        size::check(&checked, &self.limits)?;
        match prepared::unreadable(&checked.readings).and_then(|errors| errors.into_iter().next()) {
            Some(error) => Err(error),
            None => Ok(cost::estimate(&checked, &self.engine.admission, limit)),
        }
    }

    /// What a question may take: its own budget, within the service's limit.
    fn limit(&self, question: &Question) -> Duration {
        let most = self.limits.request_time();
        question.budget.map_or(most, |own| own.min(most))
    }

    /// Checks what can be checked of a question and tokenises its inputs.
    async fn read(&self, question: Question) -> Result<Checked> {
        tasks::check(&question)?;
        windows::check(&question)?;
        if question.evaluate.is_some() && question.model.task == Task::Embedding {
            let detail = "measures take words out of one text; a similarity is of two";
            return Err(Error::field("/evaluate", detail));
        }
        let wished = attention::wished(&question)?;
        let question = Arc::new(question);
        let readings = self.read_all(&question).await?;
        Ok(Checked { question, readings, wished })
    }
}

/// What follows the last pass of a request of so many tokens should take.
fn expected(closing: &Pace, tokens: usize) -> Duration {
    Duration::from_secs_f64(closing.seconds_for(tokens).unwrap_or_default())
}

impl Explainer {
    /// Tokenises the inputs on a thread that may block, so much text at a time: it takes
    /// memory many times its own. Ends between two inputs where the caller has left.
    async fn read_all(&self, question: &Arc<Question>) -> Result<Vec<Result<Reading>>> {
        // The semaphore is never closed.
        let bytes: usize = question.inputs.iter().flat_map(Input::texts).map(String::len).sum();
        // Each text is read beside the hypothesis of every candidate.
        let pairs = question.candidates.as_ref().map_or(1, |asked| asked.hypotheses.len());
        let bytes = bytes.saturating_mul(pairs);
        let room = u32::try_from(1 + (bytes >> 10)).unwrap_or(READING).min(READING);
        let turn = Arc::clone(&self.reading).acquire_many_owned(room);
        let turn = turn.await.map_err(Error::internal)?;
        let wanted = CancellationToken::new();
        let _until_here = wanted.clone().drop_guard();
        let (question, most) = (Arc::clone(question), self.limits.windows);
        let read_all = move || {
            let _turn = turn;
            let truncate = match question.window {
                Some(_) => Truncate::Windows { most },
                None => question.truncate,
            };
            let read = |input| match &question.candidates {
                Some(asked) => candidates::reading(&question, asked, input, truncate),
                None => {
                    let encoding = question.model.encode(input, truncate)?;
                    windows::reading(&question, encoding, input, most)
                }
            };
            let inputs = question.inputs.iter().take_while(|_| !wanted.is_cancelled());
            inputs.map(read).collect()
        };
        tokio::task::spawn_blocking(read_all).await.map_err(Error::internal)
    }
}
