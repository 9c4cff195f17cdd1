//! One text, or a pair read together.

use std::sync::Arc;

use futures_util::future::{try_join, try_join_all};
use metrics::{counter, histogram};

use super::prepared::{Event, Follow, Progress};
use crate::attention::{self, Wished};
use crate::attribution::{Attribution, Granularity, Normalize, Subject, reduce};
use crate::error::{Error, Result};
use crate::evaluation::{self, Bench, Evaluation, Scored, bench};
use crate::explanation::{
    Attention, AttentionKind, AttentionSelection, Explained, Explanation, Predicted, Question,
    Resolved, UnitScores,
};
use crate::passes::{Passes, Usage};
use crate::rows::{Maps, Row, RowOutput, Scalar};
use crate::tasks::{self, Read};
use crate::text::Encoding;
use crate::warnings;

/// What methods may take of the time that is left, if measures follow.
const METHODS_SHARE: f64 = 0.5;

/// An input after its first pass.
pub struct Seen {
    pub reads: Arc<[usize]>,
    pub output: RowOutput,
}

/// One forward pass over `encoding`.
pub async fn see(
    question: &Question,
    passes: &Passes,
    maps: Maps,
    encoding: &Encoding,
) -> Result<Seen> {
    let reads = tasks::of(question.model.task).reads(encoding, &question.model)?;
    let row = Row::forward(Arc::clone(&encoding.ids), Arc::clone(&reads));
    let output = passes.run_one(Row { maps, ..row }).await?;
    Ok(Seen { reads, output })
}

/// The targets that a question means, of an input or of all its parts together.
pub fn targets(question: &Question, read: &Read<'_>) -> Result<Vec<Resolved>> {
    match has_targets(question) {
        true => tasks::of(question.model.task).resolve(question, read),
        false => Ok(Vec::new()),
    }
}

/// Whether anything is explained.
pub fn has_targets(question: &Question) -> bool {
    let gradient = |selection: &AttentionSelection| selection.kind == AttentionKind::Gradient;
    !question.methods.is_empty() || question.attention.as_ref().is_some_and(gradient)
}

/// What methods may take of the time that is left: measures that follow need some too.
pub fn methods_share(question: &Question) -> f64 {
    if question.evaluate.is_some() { METHODS_SHARE } else { 1. }
}

/// The value of each target.
pub fn values(targets: &[Resolved], output: &RowOutput) -> Vec<f64> {
    let value = |target: &Resolved| target.scalar.value(&output.logits, &output.probabilities);
    targets.iter().map(value).collect()
}

pub async fn explain(
    question: &Question,
    passes: &Passes,
    wished: Option<&Wished>,
    encoding: Encoding,
    follow: &Follow,
) -> Result<Explained> {
    let maps = wished.map(Wished::at_first).unwrap_or_default();
    let Seen { reads, mut output } = see(question, passes, maps, &encoding).await?;
    let maps = std::mem::take(&mut output.attention);
    let read = Read { model: &question.model, encoding: &encoding, reads: &reads, output: &output };
    let predicted = tasks::of(question.model.task).predicted(question, &read)?;
    let targets = targets(question, &read)?;
    let values = values(&targets, &output);
    let scalars: Vec<Scalar> = targets.iter().map(|target| target.scalar.clone()).collect();
    let seed = question.seed;
    let subject =
        Subject { encoding: &encoding, reads: &reads, scalars: &scalars, values: &values, seed };
    let hurried = passes.for_a_share(methods_share(question));
    // Beside each other: methods that take all the time there is leave attention none.
    let (scored, attention) = try_join(
        attributions(question, &hurried, subject, &targets, follow),
        attention::answer(wished, passes, subject, targets.first(), maps),
    )
    .await?;
    let evaluation = match (&question.evaluate, targets.first()) {
        (Some(_), Some(_)) => Some(evaluate(question, passes, subject, &scored, &output).await?),
        _ => None,
    };
    let parts = Parts { predicted, scored, targets, values, attention, evaluation };
    Ok(assemble(question, encoding, parts))
}

/// One method's attributions, one a target, and what they took.
pub struct ScoredMethod {
    pub attributions: Vec<Attribution>,
    pub usage: Usage,
}

/// Every method's scores of every target, in the question's order.
pub async fn attributions(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    targets: &[Resolved],
    follow: &Follow,
) -> Result<Vec<ScoredMethod>> {
    let runs = question.methods.iter().enumerate().map(async |(number, (method, options))| {
        let place = |error: Error| match error.pointer {
            Some(_) => error.within(&format!("/methods/{number}")),
            None => error,
        };
        let passes = followed(question, passes, subject.encoding, targets, method.name, follow);
        let attributions = (method.run)(&passes, subject, options).await.map_err(place)?;
        Ok::<_, Error>(ScoredMethod { attributions, usage: passes.usage() })
    });
    try_join_all(runs).await
}

/// Passes on a method's account, which tell the follower what it has so far.
fn followed(
    question: &Question,
    passes: &Passes,
    encoding: &Encoding,
    targets: &[Resolved],
    method: &'static str,
    follow: &Follow,
) -> Passes {
    let passes = passes.clone().with_account();
    let Some((index, to)) = follow.to.clone() else { return passes };
    let (encoding, targets) = (encoding.clone(), targets.to_vec());
    let (units, normalize) = (units(question, &encoding), question.normalize);
    passes.told_to(move |progress| {
        let scaled = |scores: Vec<f64>| scale(&scores, &encoding, &units, normalize);
        let explanations = targets.iter().cloned().zip(progress.scores.into_iter().map(scaled));
        let (done, of) = (progress.done, progress.of);
        let progress = Progress { index, method, done, of, explanations: explanations.collect() };
        // Nobody listens any more where the receiver is gone; the work will stop too.
        let _ = to.send(Event::Progress(progress));
    })
}

/// Measures of the first target's scores.
pub async fn evaluate(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    scored: &[ScoredMethod],
    output: &RowOutput,
) -> Result<Evaluation> {
    let Some(settings) = &question.evaluate else { return Ok(Evaluation::default()) };
    let scalars = bench::scalars(&subject.scalars[0]);
    let values = scalars.clone().map(|s| s.value(&output.logits, &output.probabilities));
    let subject = Subject { scalars: &scalars, values: &values, ..subject };
    let bench = Bench::new(passes, subject, settings)?;
    let methods: Vec<Scored<'_>> = question
        .methods
        .iter()
        .zip(scored)
        .filter_map(|((method, options), scored)| {
            let scores = &scored.attributions.first()?.scores;
            let rows = scored.usage.forward_rows + scored.usage.gradient_rows;
            Some(Scored { method, options, scores, rows })
        })
        .collect();
    evaluation::evaluate(&bench, &methods).await
}

/// What an answer is put together from.
pub struct Parts {
    pub predicted: Predicted,
    pub scored: Vec<ScoredMethod>,
    pub targets: Vec<Resolved>,
    pub values: Vec<f64>,
    pub attention: Option<Attention>,
    pub evaluation: Option<Evaluation>,
}

/// Counts explanations that are not all that was asked for.
fn count(explanation: &Explanation) {
    let method = explanation.method.name;
    if explanation.completeness.is_some_and(|whole| !whole.converged) {
        counter!("explaind_not_converged_total", "method" => method).increment(1);
    }
    if explanation.sampling.is_some_and(|sampling| !sampling.finished) {
        counter!("explaind_stopped_early_total", "method" => method).increment(1);
    }
    if let Some(steps) = explanation.completeness.and_then(|whole| whole.n_steps) {
        histogram!("explaind_steps", "method" => method).record(steps as f64);
    }
}

/// Scores in the units asked for, and what there is to say about them.
pub fn assemble(question: &Question, encoding: Encoding, parts: Parts) -> Explained {
    let units = units(question, &encoding);
    let mut explanations = Vec::new();
    let mut words = Vec::new();
    for ((method, options), scored) in question.methods.iter().zip(parts.scored) {
        let of_targets = scored.attributions.into_iter().zip(&parts.targets).zip(&parts.values);
        for ((attribution, target), &output_value) in of_targets {
            let scores = &attribution.scores;
            words.push(reduce::scores(scores, &encoding, Granularity::Word, Normalize::None));
            explanations.push(Explanation {
                method,
                options: options.clone(),
                target: target.clone(),
                output: question.output,
                scores: scale(scores, &encoding, &units, question.normalize),
                output_value,
                completeness: attribution.completeness,
                sampling: attribution.sampling,
                usage: scored.usage,
            });
        }
    }
    explanations.iter().for_each(count);
    let activation = tasks::activation(question);
    let mut warnings = warnings::of(activation, &parts.predicted, &explanations, &words);
    warnings.extend(parts.evaluation.iter().filter_map(Evaluation::unmeasured));
    Explained {
        predicted: parts.predicted,
        explanations,
        attention: parts.attention,
        evaluation: parts.evaluation,
        warnings,
        windows: None,
        truncated: encoding.truncated,
        tokens: encoding.tokens,
        words: encoding.words,
        sentences: units.contains(&Granularity::Sentence).then_some(encoding.sentences),
        spans: units.contains(&Granularity::Span).then_some(encoding.spans),
    }
}

/// One list of scores a unit.
fn scale(tokens: &[f64], encoding: &Encoding, units: &[Granularity], how: Normalize) -> UnitScores {
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
