//! One question's way: encode, admit, predict, attribute, assemble.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout;

use crate::attention;
use crate::attribution::{Granularity, Normalize, Subject, reduce};
use crate::engine::{Engine, ModelPool};
use crate::error::{Code, Error, Result};
use crate::explanation::{Answer, Explained, Explanation, Prediction, Question, Used};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{Row, RowOutput, Scalar};
use crate::target;
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
        target::check(&question.target, &question.model)?;
        let layers = attention::layers(&question)?;
        let question = Arc::new(question);
        let encodings = encode(&question).await?;
        self.check_size(&question, &encodings)?;
        let _room = self.engine.admission.admit(cost(&question, &encodings))?;
        let passes = self.engine.passes(&question.model);
        let tokens = encodings.iter().flatten().map(|encoding| encoding.tokens.len()).sum();
        let results =
            join_all(encodings.into_iter().zip(&question.inputs).map(async |(encoding, input)| {
                let explained = match encoding {
                    Ok(encoding) => explain_one(&question, &passes, &layers, encoding).await,
                    Err(error) => Err(error),
                };
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
        let encode = |input| question.model.text.encode(input, question.truncate);
        question.inputs.iter().map(encode).collect()
    };
    tokio::task::spawn_blocking(encode_all).await.map_err(Error::internal)
}

/// Tokens × rows that the question may run.
fn cost(question: &Question, encodings: &[Result<Encoding>]) -> usize {
    let rows: usize = question
        .methods
        .iter()
        .map(|(entry, options)| (entry.cost)(options))
        .map(|cost| cost.forward_rows + cost.gradient_rows)
        .sum();
    let tokens: usize = encodings.iter().flatten().map(|encoding| encoding.tokens.len()).sum();
    tokens.saturating_mul(1 + rows.saturating_mul(target::count(&question.target, &question.model)))
}

async fn explain_one(
    question: &Question,
    passes: &Passes,
    layers: &[usize],
    encoding: Encoding,
) -> Result<Explained> {
    let row = Row { attention: layers.to_vec(), ..Row::forward(Arc::clone(&encoding.ids)) };
    let output = passes.run_one(row).await?;
    let targets = target::resolve(&question.target, &question.model, &output.logits)?;
    let scalars: Vec<Scalar> = targets.iter().map(|t| t.scalar(question.output)).collect();
    let value = |scalar: &Scalar| scalar.value(&output.logits, &output.probabilities);
    let values: Vec<f64> = scalars.iter().map(value).collect();
    let subject = Subject { encoding: &encoding, scalars: &scalars, values: &values };
    let units = units(question, &encoding);
    let runs = question.methods.iter().enumerate().map(async |(number, (method, options))| {
        let place = |error: Error| match error.pointer {
            Some(_) => error.within(&format!("/methods/{number}")),
            None => error,
        };
        let attributions = (method.run)(passes, subject, options).await.map_err(place)?;
        Ok(attributions.into_iter().zip(&targets).zip(&values).map(
            |((attribution, target), &output_value)| Explanation {
                method,
                options: options.clone(),
                target: target.clone(),
                output: question.output,
                scores: scale(&attribution.scores, &encoding, &units, question.normalize),
                output_value,
                completeness: attribution.completeness,
            },
        ))
    });
    let explanations = try_join_all(runs).await?.into_iter().flatten().collect();
    Ok(Explained {
        predictions: predictions(&question.model, &output),
        explanations,
        attention: attention::select(question, layers, output.attention)?,
        truncated: encoding.truncated,
        tokens: encoding.tokens,
        words: encoding.words,
        sentences: units.contains(&Granularity::Sentence).then_some(encoding.sentences),
        spans: units.contains(&Granularity::Span).then_some(encoding.spans),
    })
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

/// Every label's score, best first.
fn predictions(model: &Model, output: &RowOutput) -> Vec<Prediction> {
    let mut predictions: Vec<Prediction> = model
        .labels()
        .iter()
        .enumerate()
        .map(|(index, label)| Prediction {
            index,
            label: label.clone(),
            logit: output.logits[index],
            probability: output.probabilities[index],
        })
        .collect();
    predictions.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    predictions
}
