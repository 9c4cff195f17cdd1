//! A text over the model's limit, read in parts that overlap. What is predicted
//! and explained is one function of all parts, so that scores still add up:
//! `F(x) = Σ_w c_w F_w(x_w)`, and each token's score is the same sum of its
//! scores in the parts that have it.

use futures_util::future::try_join_all;

use super::Reading;
use super::prepared::Follow;
use super::single::{self, Parts, ScoredMethod, Seen};
use crate::attention::Wished;
use crate::attribution::{Attribution, Completeness, Sampling, Subject};
use crate::error::{Error, Result};
use crate::explanation::{
    Combine, Explained, Predicted, Question, Resolved, WindowPart, WindowShare,
};
use crate::heads::Task;
use crate::passes::{Passes, Usage};
use crate::rows::{Maps, RowOutput, Scalar};
use crate::tasks::{self, Read};
use crate::text::windows::{self, Part};
use crate::text::{Encoding, Input};

/// Refuses windows of a task that has no one answer for the whole text, and what
/// windows do not go with.
pub fn check(question: &Question) -> Result<()> {
    if question.window.is_none() {
        return Ok(());
    }
    match question.model.task {
        Task::TextClassification => {}
        other => {
            let detail = format!(
                "windows are put together for text classification; {} is a {} model",
                question.model.id,
                other.name()
            );
            return Err(Error::field("/window", detail));
        }
    }
    if question.truncate == crate::text::tokenizer::Truncate::Yes {
        return Err(Error::field("/truncate", "a text is cut or read in windows, not both"));
    }
    Ok(())
}

/// How an input is read: in parts where the question allows it and it is too long.
pub fn reading(question: &Question, encoding: Encoding, input: &Input) -> Result<Reading> {
    let text = &question.model.text;
    match question.window {
        Some(window) if encoding.tokens.len() > text.max_tokens => {
            let parts = windows::split(&encoding, text, window.stride)
                .map_err(|error| error.at(&input.pointer))?;
            Ok(Reading::Parts(encoding, parts))
        }
        _ => Ok(Reading::Whole(encoding)),
    }
}

/// Explains all parts and adds them up.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    wished: Option<&Wished>,
    whole: Encoding,
    parts: Vec<Part>,
) -> Result<Explained> {
    if question.evaluate.is_some() {
        let detail = "measures take one window; this text needs several";
        return Err(Error::field("/evaluate", detail));
    }
    let seen = |part| single::see(question, passes, Maps::default(), part);
    let seen = try_join_all(parts.iter().map(|part| seen(&part.encoding))).await?;
    let output = combined(question, &seen);
    let read = Read { model: &question.model, encoding: &whole, reads: &[], output: &output };
    let behaviour = tasks::of(question.model.task);
    let predicted = behaviour.predicted(question, &read)?;
    let targets = single::targets(question, &read)?;
    let weights = weights(question, &targets, &seen);
    let each = parts
        .iter()
        .zip(&seen)
        .map(async |(part, seen)| explain_part(question, passes, part, seen, &targets).await);
    let each = try_join_all(each).await?;
    let shown =
        parts.iter().zip(&seen).zip(&each).enumerate().map(|(w, ((part, seen), scored))| {
            let read = Read {
                model: &question.model,
                encoding: &part.encoding,
                reads: &seen.reads,
                output: &seen.output,
            };
            let predicted = behaviour.predicted(question, &read)?;
            Ok(window(part, predicted, seen, scored, &targets, &weights[w]))
        });
    let shown = shown.collect::<Result<Vec<_>>>()?;
    let values: Vec<f64> = (0..targets.len())
        .map(|k| seen.iter().zip(&weights).map(|(seen, w)| w[k] * value(seen, &targets[k])).sum())
        .collect();
    let scored = added_up(question, &whole, &parts, each, &weights);
    let attention = None;
    let all = Parts { predicted, scored, targets, values, attention, evaluation: None };
    let mut explained = single::assemble(question, whole, all);
    explained.windows = Some(shown);
    if wished.is_some() {
        explained.warnings.push(crate::evaluation::Warning {
            code: "no_attention",
            detail: "attention is within a window, and this text needed several: send a part of \
                     it for its attention"
                .to_owned(),
        });
    }
    Ok(explained)
}

fn value(seen: &Seen, target: &Resolved) -> f64 {
    target.scalar.value(&seen.output.logits, &seen.output.probabilities)
}

fn combine(question: &Question) -> Combine {
    question.window.map_or(Combine::Mean, |window| window.combine)
}

/// Each output of all parts together.
fn combined(question: &Question, seen: &[Seen]) -> RowOutput {
    let together = |of: &dyn Fn(&RowOutput) -> &Vec<f64>| -> Vec<f64> {
        let column = |i: usize| seen.iter().map(move |seen| of(&seen.output)[i]);
        let width = seen.first().map_or(0, |seen| of(&seen.output).len());
        let output = |i| match combine(question) {
            Combine::Mean => column(i).sum::<f64>() / seen.len() as f64,
            Combine::Max => column(i).fold(f64::NEG_INFINITY, f64::max),
        };
        (0..width).map(output).collect()
    };
    RowOutput {
        logits: together(&|output| &output.logits),
        probabilities: together(&|output| &output.probabilities),
        ..RowOutput::default()
    }
}

/// What each part counts for each target, `[parts][targets]`.
fn weights(question: &Question, targets: &[Resolved], seen: &[Seen]) -> Vec<Vec<f64>> {
    let highest = |target: &Resolved| {
        let values: Vec<f64> = seen.iter().map(|seen| value(seen, target)).collect();
        (0..values.len()).fold(0, |best, w| if values[w] > values[best] { w } else { best })
    };
    let of_part = |w: usize| {
        let weight = |target: &Resolved| match combine(question) {
            Combine::Mean => 1. / seen.len() as f64,
            Combine::Max => f64::from(u8::from(highest(target) == w)),
        };
        targets.iter().map(weight).collect()
    };
    (0..seen.len()).map(of_part).collect()
}

async fn explain_part(
    question: &Question,
    passes: &Passes,
    part: &Part,
    seen: &Seen,
    targets: &[Resolved],
) -> Result<Vec<ScoredMethod>> {
    let scalars: Vec<Scalar> = targets.iter().map(|target| target.scalar.clone()).collect();
    let subject = Subject {
        encoding: &part.encoding,
        reads: &seen.reads,
        scalars: &scalars,
        values: &single::values(targets, &seen.output),
        seed: question.seed,
    };
    single::attributions(question, passes, subject, targets, &Follow::default()).await
}

fn window(
    part: &Part,
    predicted: Predicted,
    seen: &Seen,
    scored: &[ScoredMethod],
    targets: &[Resolved],
    weights: &[f64],
) -> WindowPart {
    let share = |(attribution, k): (&Attribution, usize)| WindowShare {
        weight: weights[k],
        output_value: value(seen, &targets[k]),
        completeness: attribution.completeness,
    };
    let of_method = |method: &ScoredMethod| -> Vec<WindowShare> {
        method.attributions.iter().zip(0..).map(share).collect()
    };
    let tokens = part.content.clone();
    WindowPart { tokens, predicted, shares: scored.iter().flat_map(of_method).collect() }
}

/// Every method's scores over the whole text.
fn added_up(
    question: &Question,
    whole: &Encoding,
    parts: &[Part],
    each: Vec<Vec<ScoredMethod>>,
    weights: &[Vec<f64>],
) -> Vec<ScoredMethod> {
    let targets = weights.first().map_or(0, Vec::len);
    let of_method = |m: usize| {
        let attribution = |k: usize| {
            let mut scores = vec![0.; whole.tokens.len()];
            let mut of_parts = Vec::new();
            for ((part, scored), weights) in parts.iter().zip(&each).zip(weights) {
                let attribution = &scored[m].attributions[k];
                for (place, score) in part.places.iter().zip(&attribution.scores) {
                    scores[*place] += weights[k] * score;
                }
                of_parts.push((weights[k], attribution));
            }
            Attribution {
                scores,
                completeness: completeness(&of_parts),
                sampling: sampling(&of_parts),
            }
        };
        let mut usage = Usage::default();
        each.iter().for_each(|scored| usage.add(scored[m].usage));
        ScoredMethod { attributions: (0..targets).map(attribution).collect(), usage }
    };
    (0..question.methods.len()).map(of_method).collect()
}

/// Sums of what the parts miss; converged where every part that counts is.
fn completeness(parts: &[(f64, &Attribution)]) -> Option<Completeness> {
    let all: Vec<(f64, Completeness)> = parts
        .iter()
        .map(|(weight, attribution)| Some((*weight, attribution.completeness?)))
        .collect::<Option<_>>()?;
    Some(Completeness {
        baseline_value: all.iter().map(|(weight, whole)| weight * whole.baseline_value).sum(),
        convergence_delta: all.iter().map(|(weight, whole)| weight * whole.convergence_delta).sum(),
        converged: all.iter().all(|(weight, whole)| *weight == 0. || whole.converged),
        n_steps: all.iter().map(|(_, whole)| whole.n_steps).sum(),
    })
}

fn sampling(parts: &[(f64, &Attribution)]) -> Option<Sampling> {
    let all: Vec<Sampling> =
        parts.iter().map(|(_, attribution)| attribution.sampling).collect::<Option<_>>()?;
    Some(Sampling {
        n_samples: all.iter().map(|sampling| sampling.n_samples).sum(),
        finished: all.iter().all(|sampling| sampling.finished),
        fit: None,
    })
}
