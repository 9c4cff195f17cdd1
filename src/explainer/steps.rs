//! The steps from a first pass to an explanation, shared by every way to read an input.

use futures_util::future::try_join_all;
use metrics::{counter, histogram};

use super::events::{Event, Follow, Progress};
use crate::attribution::{
    Attribution, Granularity, MaskValues, Normalize, Subject, UnitKind, reduce,
};
use crate::blocks::Pooling;
use crate::error::{Error, Result};
use crate::evaluation::{self, Bench, Evaluation, Scored, bench};
use crate::explanation::{
    Attention, AttentionKind, AttentionSelection, Explained, Explanation, Inside, Located,
    Predicted, Question, Resolved, UnitScores,
};
use crate::passes::{Passes, Usage};
use crate::rows::RowOutput;
use crate::tasks::{self, ModelOutput};
use crate::text::Encoding;
use crate::warnings;

/// Share of the remaining time for methods if measures follow.
const METHODS_SHARE: f64 = 0.5;

/// Resolves the question's targets, for an input or for all its windows together.
pub fn targets(question: &Question, read: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
    match has_targets(question) {
        true => tasks::of(question.model.task).resolve(question, read),
        false => Ok(Vec::new()),
    }
}

/// Returns whether there is anything to explain.
pub fn has_targets(question: &Question) -> bool {
    let gradient = |selection: &AttentionSelection| selection.kind == AttentionKind::Gradient;
    !question.methods.is_empty()
        || !question.inside.is_empty()
        || !question.concepts.is_empty()
        || question.attention.as_ref().is_some_and(gradient)
}

/// Returns the share of the remaining time for methods; measures need the rest.
pub fn methods_share(question: &Question) -> f64 {
    if question.evaluate.is_some() { METHODS_SHARE } else { 1. }
}

/// Returns the value of each target.
pub fn values(targets: &[Resolved], output: &RowOutput) -> Vec<f64> {
    let value = |target: &Resolved| target.scalar.value(&output.logits, &output.probabilities);
    targets.iter().map(value).collect()
}

/// The attributions of one method, one per target, and what they used.
pub struct ScoredMethod {
    pub attributions: Vec<Attribution>,
    pub usage: Usage,
}

/// Runs every method on every target, in the question's order.
pub async fn attributions(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    targets: &[Resolved],
    follow: &Follow,
) -> Result<Vec<ScoredMethod>> {
    let run = |index| one(question, passes, subject, targets, follow, index);
    try_join_all((0..question.methods.len()).map(run)).await
}

/// Runs the method at `index` on every target.
pub async fn one(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    targets: &[Resolved],
    follow: &Follow,
    index: usize,
) -> Result<ScoredMethod> {
    let (method, options) = &question.methods[index];
    let passes = followed(question, passes, subject.encoding, targets, method.name, follow);
    let attributions =
        (method.run)(&passes, subject, options).await.map_err(|error| of_method(error, index))?;
    Ok(ScoredMethod { attributions, usage: passes.usage() })
}

/// Points to the method at `index` if the error is about one of its options.
pub fn of_method(error: Error, index: usize) -> Error {
    match error.pointer {
        Some(_) => error.within(&format!("/methods/{index}")),
        None => error,
    }
}

/// Returns a handle that counts the method's usage and reports its progress.
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
    passes.with_listener(move |progress| {
        let scaled = |scores: Vec<f64>| scale(&scores, &encoding, &units, normalize);
        let explanations = targets.iter().cloned().zip(progress.scores.into_iter().map(scaled));
        let (done, of) = (progress.done, progress.of);
        let progress = Progress { index, method, done, of, explanations: explanations.collect() };
        // Fails only if the receiver is gone; the work will stop too.
        let _ = to.send(Event::Progress(progress));
    })
}

/// Returns the store for values at perturbed inputs. If the first target is measured too, and rows
/// for all targets are rows for the first one, measures use the same values. They are not if the
/// targets are read from different tokens, which then may not be removed.
pub fn mask_values(question: &Question, targets: &[Resolved], output: &RowOutput) -> MaskValues {
    let same_rows = targets.len() == 1 || *question.model.pooling() != Pooling::Tokens;
    match targets.first().filter(|_| question.evaluate.is_some() && same_rows) {
        Some(first) => {
            let scalar = bench::probability(&first.scalar);
            let value = scalar.value(&output.logits, &output.probabilities);
            MaskValues::also(scalar, value)
        }
        None => MaskValues::default(),
    }
}

/// Measures the scores of the first target.
pub async fn evaluate(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    scored: &[ScoredMethod],
    output: &RowOutput,
) -> Result<Evaluation> {
    let Some(settings) = &question.evaluate else { return Ok(Evaluation::default()) };
    let scalar = bench::probability(&subject.scalars[0]);
    let probability = scalar.value(&output.logits, &output.probabilities);
    let mask_values = &MaskValues::also(scalar, probability);
    let alone = Subject {
        scalars: &subject.scalars[..1],
        values: &subject.values[..1],
        mask_values,
        ..subject
    };
    let subject = if subject.mask_values.has_more() { subject } else { alone };
    let bench = Bench::new(passes, subject, probability, settings)?;
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

/// The parts of an answer for one input.
pub struct ExplanationParts {
    pub predicted: Predicted,
    pub scored: Vec<ScoredMethod>,
    pub targets: Vec<Resolved>,
    pub values: Vec<f64>,
    pub attention: Option<Attention>,
    pub inside: Option<Inside>,
    pub concepts: Vec<Located>,
    pub evaluation: Option<Evaluation>,
}

/// Counts explanations that are incomplete, and records numbers of steps.
fn count(explanation: &Explanation) {
    let method = explanation.method.name;
    if explanation.converged() == Some(false) {
        counter!("explaind_not_converged_total", "method" => method).increment(1);
    }
    if explanation.sampling.is_some_and(|sampling| !sampling.finished) {
        counter!("explaind_stopped_early_total", "method" => method).increment(1);
    }
    if let Some(steps) = explanation.completeness.and_then(|completeness| completeness.n_steps) {
        histogram!("explaind_steps", "method" => method).record(steps as f64);
    }
}

/// Assembles the answer for one input: scores of the requested units, and warnings.
pub fn assemble(question: &Question, encoding: Encoding, parts: ExplanationParts) -> Explained {
    let units = units(question, &encoding);
    let groups = question.lexicon.places(&encoding.words);
    let mut explanations = Vec::new();
    let mut words = Vec::new();
    for ((method, options), scored) in question.methods.iter().zip(parts.scored) {
        let of_targets = scored.attributions.into_iter().zip(&parts.targets).zip(&parts.values);
        for ((attribution, target), &output_value) in of_targets {
            let scores = &attribution.scores;
            let of_words = reduce::scores(scores, &encoding, Granularity::Word, Normalize::None);
            let lexicon = in_groups(&groups, &of_words);
            words.push(of_words);
            explanations.push(Explanation {
                method,
                options: options.clone(),
                target: target.clone(),
                output: question.output,
                scores: scale(scores, &encoding, &units, question.normalize),
                lexicon,
                output_value,
                completeness: attribution.completeness,
                sampling: attribution.sampling,
                standard_error: attribution
                    .sampling
                    .map(|_| errors(&attribution, &encoding, &units, question.normalize)),
                interactions: attribution.interactions,
                usage: scored.usage,
            });
        }
    }
    explanations.iter().for_each(count);
    let activation = tasks::activation(question);
    let mut warnings = warnings::of(activation, &parts.predicted, &explanations, &words);
    warnings.extend(parts.evaluation.iter().filter_map(Evaluation::skipped_warning));
    let pairs_of = |one: &Explanation| one.interactions.as_ref().map(|found| found.unit);
    let are_paired = explanations.iter().any(|one| pairs_of(one) == Some(UnitKind::Sentence));
    Explained {
        predicted: parts.predicted,
        explanations,
        attention: parts.attention,
        inside: parts.inside,
        concepts: parts.concepts,
        evaluation: parts.evaluation,
        evidence: Vec::new(),
        warnings,
        windows: None,
        truncated: encoding.truncated,
        tokens: encoding.tokens,
        words: encoding.words,
        sentences: (units.contains(&Granularity::Sentence) || are_paired)
            .then_some(encoding.sentences),
        spans: units.contains(&Granularity::Span).then_some(encoding.spans),
    }
}

/// Returns the sum of the words' scores in each group.
fn in_groups(groups: &[(String, Vec<usize>)], scores: &[f64]) -> Vec<(String, f64)> {
    let sum = |words: &Vec<usize>| words.iter().map(|&word| scores[word]).sum();
    groups.iter().map(|(name, words)| (name.clone(), sum(words))).collect()
}

/// Returns one list of standard errors per kind of unit.
fn errors(
    of: &Attribution,
    encoding: &Encoding,
    units: &[Granularity],
    how: Normalize,
) -> UnitScores {
    let by = |unit| reduce::errors(&of.scores, &of.deviations, encoding, unit, how);
    units.iter().map(|&unit| (unit, by(unit))).collect()
}

/// Returns one list of scores per kind of unit.
fn scale(tokens: &[f64], encoding: &Encoding, units: &[Granularity], how: Normalize) -> UnitScores {
    units.iter().map(|&unit| (unit, reduce::scores(tokens, encoding, unit, how))).collect()
}

/// Returns the requested kinds of units, and spans if the caller marked any.
fn units(question: &Question, encoding: &Encoding) -> Vec<Granularity> {
    let mut units = question.granularity.clone();
    if !encoding.spans.is_empty() {
        units.push(Granularity::Span);
    }
    units
}
