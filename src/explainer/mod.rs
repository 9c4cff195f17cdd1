//! One question's way: encode, admit, predict, attribute, assemble.

mod apart;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout;

use crate::attention;
use crate::attribution::{Granularity, Normalize, Subject, reduce};
use crate::engine::{Engine, ModelPool};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    Answer, Attention, Explained, Explanation, Predicted, Question, Resolved, Used,
};
use crate::passes::Passes;
use crate::rows::{Row, Scalar};
use crate::tasks::{self, Read};
use crate::text::Encoding;

/// Answers questions with the models in its pool.
pub struct Explainer {
    pub pool: Arc<ModelPool>,
    pub engine: Engine,
    pub limits: Limits,
}

/// What one request may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub inputs: usize,
    /// Numbers of attention in one answer.
    pub attention_values: usize,
    /// The longest that a request may take, queue included.
    pub time: Duration,
}

impl Explainer {
    /// Explains every input. An input that fails does not fail the others; an
    /// error here is one of the whole request.
    pub async fn explain(&self, question: Question) -> Result<Answer> {
        let limit = question.budget.map_or(self.limits.time, |own| own.min(self.limits.time));
        let late = || {
            let detail = format!("not finished within {} ms", limit.as_millis());
            Error::new(Code::DeadlineExceeded, detail)
        };
        timeout(limit, self.answer(question)).await.map_err(|_| late())?
    }

    async fn answer(&self, question: Question) -> Result<Answer> {
        tasks::of(question.model.task).check(&question.target, &question.model)?;
        let layers = attention::layers(&question)?;
        let question = Arc::new(question);
        let encodings = encode(&question).await?;
        self.check_size(&question, &encodings)?;
        let _room = self.engine.admission.admit(cost(&question, &encodings))?;
        let passes = self.engine.passes(&question.model);
        let tokens = encodings.iter().flatten().map(Encoding::len).sum();
        let results =
            join_all(encodings.into_iter().zip(&question.inputs).map(async |(encoding, input)| {
                let explained = match encoding {
                    Ok(encoding) => explain_one(&question, &passes, &layers, encoding).await,
                    Err(error) => Err(error),
                };
                // A task that misses something in a text knows no place of it.
                let explained = explained.map_err(|error| match error.code {
                    Code::InputEmpty => error.at(&input.pointer),
                    _ => error,
                });
                (input.id.clone(), explained)
            }))
            .await;
        let usage = Used { tokens, passes: passes.usage() };
        Ok(Answer { model: Arc::clone(&question.model), results, usage })
    }

    /// Refuses an answer whose attention would be too large to send.
    fn check_size(&self, question: &Question, encodings: &[Result<Encoding>]) -> Result<()> {
        let per_square = attention::matrices(question)?;
        let squares = encodings.iter().flatten().map(|encoding| encoding.tokens.len().pow(2));
        let values = per_square * squares.sum::<usize>();
        if values <= self.limits.attention_values {
            return Ok(());
        }
        let detail = format!(
            "the attention asked for is {values} numbers and at most {} are sent; select layers \
             and heads, heads: \"mean\", or send fewer inputs",
            self.limits.attention_values
        );
        Err(Error::new(Code::ResponseTooLarge, detail).at("/attention"))
    }
}

/// Tokenises the inputs on a thread that may block.
async fn encode(question: &Arc<Question>) -> Result<Vec<Result<Encoding>>> {
    let question = Arc::clone(question);
    let encode_all = move || {
        let encode = |input| question.model.encode(input, question.truncate);
        question.inputs.iter().map(encode).collect()
    };
    tokio::task::spawn_blocking(encode_all).await.map_err(Error::internal)
}

/// Tokens × rows that the question may run.
fn cost(question: &Question, encodings: &[Result<Encoding>]) -> usize {
    let of_input = |encoding: &Encoding| {
        let tokens = encoding.len();
        let behaviour = tasks::of(question.model.task);
        let scalars = behaviour.most(&question.target, &question.model, encoding);
        let rows = question.methods.iter().map(|(entry, options)| {
            let cost = (entry.cost)(options, tokens);
            cost.forward_rows.saturating_add(cost.gradient_rows.saturating_mul(scalars))
        });
        tokens.saturating_mul(rows.fold(1, usize::saturating_add))
    };
    encodings.iter().flatten().map(of_input).fold(0, usize::saturating_add)
}

async fn explain_one(
    question: &Question,
    passes: &Passes,
    layers: &[usize],
    mut encoding: Encoding,
) -> Result<Explained> {
    if let Some(pair) = encoding.apart.take() {
        return apart::explain(question, passes, layers, encoding, *pair).await;
    }
    let behaviour = tasks::of(question.model.task);
    let reads = behaviour.reads(&encoding, &question.model)?;
    let row = Row::forward(Arc::clone(&encoding.ids), Arc::clone(&reads));
    let output = passes.run_one(Row { attention: layers.to_vec(), ..row }).await?;
    let read = Read { model: &question.model, encoding: &encoding, reads: &reads, output: &output };
    let predicted = behaviour.predicted(question, &read)?;
    let targets = match question.methods.is_empty() {
        true => Vec::new(),
        false => behaviour.resolve(question, &read)?,
    };
    let value = |target: &Resolved| target.scalar.value(&output.logits, &output.probabilities);
    let values: Vec<f64> = targets.iter().map(value).collect();
    let explanations = explanations(question, passes, &encoding, &reads, &targets, &values).await?;
    let attention = attention::select(question, layers, output.attention)?;
    Ok(explained(question, encoding, predicted, explanations, attention))
}

/// Every method's explanation of every target.
async fn explanations(
    question: &Question,
    passes: &Passes,
    encoding: &Encoding,
    reads: &Arc<[usize]>,
    targets: &[Resolved],
    values: &[f64],
) -> Result<Vec<Explanation>> {
    let scalars: Vec<Scalar> = targets.iter().map(|target| target.scalar.clone()).collect();
    let subject = Subject { encoding, reads, scalars: &scalars, values };
    let units = units(question, encoding);
    let units = &units;
    let runs = question.methods.iter().enumerate().map(async |(number, (method, options))| {
        let place = |error: Error| match error.pointer {
            Some(_) => error.within(&format!("/methods/{number}")),
            None => error,
        };
        let attributions = (method.run)(passes, subject, options).await.map_err(place)?;
        Ok(attributions.into_iter().zip(targets).zip(values).map(
            move |((attribution, target), &output_value)| Explanation {
                method,
                options: options.clone(),
                target: target.clone(),
                output: question.output,
                scores: scale(&attribution.scores, encoding, units, question.normalize),
                output_value,
                completeness: attribution.completeness,
            },
        ))
    });
    Ok(try_join_all(runs).await?.into_iter().flatten().collect())
}

fn explained(
    question: &Question,
    encoding: Encoding,
    predicted: Predicted,
    explanations: Vec<Explanation>,
    attention: Option<Attention>,
) -> Explained {
    let units = units(question, &encoding);
    Explained {
        predicted,
        explanations,
        attention,
        truncated: encoding.truncated,
        tokens: encoding.tokens,
        words: encoding.words,
        sentences: units.contains(&Granularity::Sentence).then_some(encoding.sentences),
        spans: units.contains(&Granularity::Span).then_some(encoding.spans),
    }
}

/// One list of scores a unit.
fn scale(
    tokens: &[f64],
    encoding: &Encoding,
    units: &[Granularity],
    how: Normalize,
) -> Vec<(Granularity, Vec<f64>)> {
    units.iter().map(|&unit| (unit, reduce::scores(tokens, encoding, unit, how))).collect()
}

/// What scores are given for: what was asked, and the caller's own spans.
fn units(question: &Question, encoding: &Encoding) -> Vec<Granularity> {
    let mut units = question.granularity.clone();
    if !encoding.spans.is_empty() {
        units.push(Granularity::Span);
    }
    units
}
