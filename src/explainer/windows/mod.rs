//! A text over the model's limit, read in parts that overlap. What is predicted
//! and explained is one function of all parts, so that scores still add up:
//! `F(x) = Σ_w c_w F_w(x_w)`, and each token's score is the same sum of its
//! scores in the parts that have it.

mod plan;

use futures_util::future::try_join_all;

use super::Reading;
use super::prepared::Follow;
use super::single::{self, Parts, ScoredMethod, Seen};
use crate::attention::Wished;
use crate::attribution::{Attribution, Completeness, Sampling, Subject};
use crate::error::{Error, Result};
use crate::evaluation::Warning;
use crate::explanation::{Explained, Question, Resolved, WindowPart, WindowShare};
use crate::passes::{Passes, Usage};
use crate::rows::{Maps, Scalar};
use crate::tasks::{self, Read};
use crate::text::tokenizer::Truncate;
use crate::text::windows::{self, Part};
use crate::text::{Encoding, Input};
use plan::PartTask;

/// Refuses windows of a task whose parts cannot be put together, and what windows
/// do not go with.
pub fn check(question: &Question) -> Result<()> {
    if question.window.is_none() {
        return Ok(());
    }
    if question.truncate == Truncate::Yes {
        return Err(Error::field("/truncate", "a text is cut or read in windows, not both"));
    }
    plan::check(question)
}

/// How an input is read: in parts where the question allows it and it is too long.
/// There are `most` of them at most.
pub fn reading(
    question: &Question,
    encoding: Encoding,
    input: &Input,
    most: usize,
) -> Result<Reading> {
    let text = &question.model.text;
    match question.window {
        Some(window) if encoding.tokens.len() > text.max_tokens => {
            let parts = windows::split(&encoding, text, window.stride, most)
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
        let detail = "measures are of one window; this text needs several";
        return Err(Error::field("/evaluate", detail));
    }
    let seen = |part| single::see(question, passes, Maps::default(), part);
    let seen = try_join_all(parts.iter().map(|part| seen(&part.encoding))).await?;
    let plan = plan::of(question, &whole, &parts, &seen)?;
    let each =
        parts.iter().zip(&seen).zip(&plan.tasks).map(async |((part, seen), tasks)| {
            explain_part(question, passes, part, seen, tasks).await
        });
    let each = try_join_all(each).await?;
    let shown = (0..parts.len())
        .map(|w| {
            window(question, &parts[w], &seen[w], &plan.tasks[w], &each[w], plan.targets.len())
        })
        .collect::<Result<Vec<_>>>()?;
    let explained = Together { whole: &whole, parts: &parts, tasks: &plan.tasks, each: &each };
    let scored = explained.scored(question.methods.len(), plan.targets.len());
    let all = Parts {
        predicted: plan.predicted,
        scored,
        targets: plan.targets,
        values: plan.values,
        attention: None,
        evaluation: None,
    };
    let mut explained = single::assemble(question, whole, all);
    explained.windows = Some(shown);
    explained.warnings.extend(wished.map(|_| no_attention()));
    Ok(explained)
}

fn no_attention() -> Warning {
    Warning {
        code: "no_attention",
        detail: "attention is within a window, and this text needed several: send a part of it \
                 for its attention"
            .to_owned(),
    }
}

async fn explain_part(
    question: &Question,
    passes: &Passes,
    part: &Part,
    seen: &Seen,
    tasks: &[PartTask],
) -> Result<Vec<ScoredMethod>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let targets: Vec<Resolved> = tasks.iter().map(|task| task.resolved.clone()).collect();
    let scalars: Vec<Scalar> = targets.iter().map(|target| target.scalar.clone()).collect();
    let subject = Subject {
        encoding: &part.encoding,
        reads: &seen.reads,
        scalars: &scalars,
        values: &single::values(&targets, &seen.output),
        seed: question.seed,
    };
    single::attributions(question, passes, subject, &targets, &Follow::default()).await
}

/// What is shown of a part; the whole text has `count` targets.
fn window(
    question: &Question,
    part: &Part,
    seen: &Seen,
    tasks: &[PartTask],
    scored: &[ScoredMethod],
    count: usize,
) -> Result<WindowPart> {
    let read = Read {
        model: &question.model,
        encoding: &part.encoding,
        reads: &seen.reads,
        output: &seen.output,
    };
    let targets: Vec<Resolved> = tasks.iter().map(|task| task.resolved.clone()).collect();
    let values = single::values(&targets, &seen.output);
    let of_method = |(method, scored): (usize, &ScoredMethod)| -> Vec<WindowShare> {
        let share = |((task, &output_value), one): ((&PartTask, &f64), &Attribution)| WindowShare {
            explanation: method * count + task.target,
            weight: task.weight,
            output_value,
            completeness: one.completeness,
        };
        tasks.iter().zip(&values).zip(&scored.attributions).map(share).collect()
    };
    Ok(WindowPart {
        tokens: part.content.clone(),
        predicted: tasks::of(question.model.task)
            .predicted(question, &read)?
            .with_tokens(|token| part.places[token]),
        shares: scored.iter().enumerate().flat_map(of_method).collect(),
    })
}

/// What was found in all parts.
struct Together<'a> {
    whole: &'a Encoding,
    parts: &'a [Part],
    tasks: &'a [Vec<PartTask>],
    each: &'a [Vec<ScoredMethod>],
}

impl Together<'_> {
    /// Every method's scores over the whole text.
    fn scored(&self, methods: usize, targets: usize) -> Vec<ScoredMethod> {
        let of_method = |method: usize| {
            let mut usage = Usage::default();
            let used = self.each.iter().filter_map(|scored| scored.get(method));
            used.for_each(|scored| usage.add(scored.usage));
            let attributions = (0..targets).map(|target| self.one(method, target)).collect();
            ScoredMethod { attributions, usage }
        };
        (0..methods).map(of_method).collect()
    }

    fn one(&self, method: usize, target: usize) -> Attribution {
        let mut scores = vec![0.; self.whole.tokens.len()];
        let mut found = Vec::new();
        for ((part, tasks), scored) in self.parts.iter().zip(self.tasks).zip(self.each) {
            let Some(k) = tasks.iter().position(|task| task.target == target) else { continue };
            let (weight, attribution) = (tasks[k].weight, &scored[method].attributions[k]);
            for (place, score) in part.places.iter().zip(&attribution.scores) {
                scores[*place] += weight * score;
            }
            found.push((weight, attribution));
        }
        let (completeness, sampling) = (completeness(&found), sampling(&found));
        Attribution { scores, completeness, sampling }
    }
}

/// Sums of what the parts miss; converged where every part is.
fn completeness(parts: &[(f64, &Attribution)]) -> Option<Completeness> {
    let all: Vec<(f64, Completeness)> = parts
        .iter()
        .map(|(weight, attribution)| Some((*weight, attribution.completeness?)))
        .collect::<Option<_>>()?;
    let steps: Option<Vec<usize>> = all.iter().map(|(_, whole)| whole.n_steps).collect();
    Some(Completeness {
        baseline_value: all.iter().map(|(weight, whole)| weight * whole.baseline_value).sum(),
        convergence_delta: all.iter().map(|(weight, whole)| weight * whole.convergence_delta).sum(),
        converged: all.iter().all(|(_, whole)| whole.converged),
        n_steps: steps.map(|steps| steps.into_iter().sum()),
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
