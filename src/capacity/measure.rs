//! Measures the requests of a load, by the way that a service answers them; without HTTP.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::error::{Error, Result};
use crate::explainer::Explainer;
use crate::explanation::Question;
use crate::http::problem::Problem;
use crate::render::json;
use crate::text::Input;

/// Number of texts, and how often each is asked for alone.
const TEXTS: usize = 10;
const REPEATS: usize = 3;

/// Requests at a time while throughput is measured, and for how long.
const CLIENTS: usize = 16;
const SATURATED: Duration = Duration::from_secs(5);

/// Words of texts; their order is drawn, so that lengths in tokens are alike.
const WORDS: &str = "the film was not very good but the story of two friends in a small town is \
                     great and funny while its end seems far too long for such an idea";

#[derive(Debug, Clone)]
pub struct Measured {
    /// Seconds of each request alone.
    pub alone: Vec<f64>,
    /// Requests per second with many at a time.
    pub throughput: f64,
    /// Tokens of a text.
    pub tokens: usize,
    /// Tokens × rows × layers that admission counts for a request.
    pub cost: usize,
    /// The time that admission expects for a request.
    pub expected: Duration,
    /// Bytes of an answer as JSON.
    pub response_bytes: usize,
    /// Bytes that the passes of one row keep.
    pub row_bytes: usize,
}

/// Measures requests like `question` with texts of `tokens` tokens instead of its own.
pub async fn measure(
    explainer: &Explainer,
    question: &Question,
    tokens: usize,
) -> Result<Measured> {
    let texts: Vec<Input> = (0..TEXTS).map(|seed| text(question, tokens, seed)).collect();
    let asked = |text: &Input| Question { inputs: vec![text.clone()], ..question.clone() };
    let mut response_bytes = 0;
    // The first requests fill caches and find the pace.
    for text in &texts {
        response_bytes = answer(explainer, asked(text)).await?;
    }
    let mut alone = Vec::new();
    for _ in 0..REPEATS {
        for text in &texts {
            let start = Instant::now();
            answer(explainer, asked(text)).await?;
            alone.push(start.elapsed().as_secs_f64());
        }
    }
    let start = Instant::now();
    let clients = (0..CLIENTS).map(async |client| {
        let mut answered = 0;
        while start.elapsed() < SATURATED {
            answer(explainer, asked(&texts[(client + answered) % TEXTS])).await?;
            answered += 1;
        }
        Ok::<usize, Error>(answered)
    });
    let answered: usize = try_join_all(clients).await?.into_iter().sum();
    let throughput = answered as f64 / start.elapsed().as_secs_f64();
    let estimate = explainer.estimate(asked(&texts[0])).await?;
    Ok(Measured {
        alone,
        throughput,
        tokens: estimate.tokens,
        cost: estimate.cost,
        expected: estimate.time,
        response_bytes,
        row_bytes: question.model.row_bytes(tokens),
    })
}

/// Answers a question as a service does, and returns the bytes of the answer.
async fn answer(explainer: &Explainer, question: Question) -> Result<usize> {
    let answer = explainer.explain(question).await?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(error.clone());
    }
    let answer = json::explain(answer, |error| Problem::new(error, None));
    let text = serde_json::to_string(&answer).map_err(Error::internal)?;
    Ok(text.len())
}

/// Returns a text of at most `tokens` tokens, as near as words allow.
fn text(question: &Question, tokens: usize, seed: usize) -> Input {
    let words: Vec<&str> = WORDS.split(' ').collect();
    let input = |count: usize| {
        let word = |index: usize| words[(seed * 7 + index * 11) % words.len()];
        let text = (0..count).map(word).collect::<Vec<_>>().join(" ");
        Input { text, pointer: "/inputs".to_owned(), ..question.inputs[0].clone() }
    };
    let fits = |count: &usize| {
        let encoding = question.model.encode(&input(*count), question.truncate);
        encoding.is_ok_and(|encoding| encoding.len() <= tokens)
    };
    // A word is at least a token.
    let counts: Vec<usize> = (1..=tokens).collect();
    input(counts.partition_point(fits).max(1))
}
