//! A text over the model's limit, read in overlapping windows. The prediction and the explained
//! scalar are functions of all windows, so that scores still add up: `F(x) = Σ_w c_w F_w(x_w)`.
//! Each token's score is the same sum of its scores in the windows that contain it.

mod inside;
mod plan;

use futures_util::future::{try_join, try_join_all};

use super::TokenizedInput;
use super::events::Follow;
use super::first_pass::{self, FirstPass};
use super::steps::{self, ExplanationParts, ScoredMethod};
use crate::attention::ResolvedSelection;
use crate::attribution::{
    Attribution, Completeness, MaskValues, MethodEntry, PairsOf, Sampling, Subject,
};
use crate::error::{Error, Result};
use crate::evaluation::Warning;
use crate::explanation::{Explained, Question, Resolved, WindowPart, WindowShare};
use crate::passes::{Passes, Usage};
use crate::rows::{Maps, Scalar};
use crate::tasks::{self, ModelOutput};
use crate::text::tokenizer::Truncate;
use crate::text::windows::{self, TextWindow};
use crate::text::{Encoding, Input};
use plan::PartTask;

/// Rejects windows for tasks whose windows cannot be combined, and windows with truncation.
pub fn check(question: &Question) -> Result<()> {
    if question.window.is_none() {
        return Ok(());
    }
    if question.truncate == Truncate::Yes {
        return Err(Error::field("/truncate", "truncate and window cannot be combined"));
    }
    let finds_pairs = |(method, _): &(&MethodEntry, _)| !matches!(method.pairs, PairsOf::None);
    if let Some(index) = question.methods.iter().position(finds_pairs) {
        let detail =
            "interactions are found in a text that the model reads whole: leave window out";
        return Err(Error::field(format!("/methods/{index}"), detail));
    }
    plan::check(question)
}

/// Selects how an input is run: in at most `max_windows` windows if it is too long and the question
/// allows windows.
pub fn tokenized(
    question: &Question,
    encoding: Encoding,
    input: &Input,
    max_windows: usize,
) -> Result<TokenizedInput> {
    let text = &question.model.text;
    match question.window {
        Some(window) if encoding.tokens.len() > text.max_tokens => {
            let parts = windows::split(&encoding, text, window.stride, max_windows)
                .map_err(|error| error.at(&input.pointer))?;
            Ok(TokenizedInput::Windows(encoding, parts))
        }
        _ => Ok(TokenizedInput::Whole(encoding)),
    }
}

/// Explains all windows and adds up their scores.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    whole: Encoding,
    parts: Vec<TextWindow>,
) -> Result<Explained> {
    if question.evaluate.is_some() {
        let detail = "measures support only one window, but this text needs several";
        return Err(Error::field("/evaluate", detail));
    }
    let run = |part| first_pass::forward(question, passes, Maps::default(), part);
    let firsts = try_join_all(parts.iter().map(|part| run(&part.encoding))).await?;
    let plan = plan::of(question, &whole, &parts, &firsts)?;
    let subject = |w: usize| WindowSubject::new(question, &parts[w], &firsts[w], &plan.tasks[w]);
    let subjects: Vec<WindowSubject<'_>> = (0..parts.len()).map(subject).collect();
    let results = try_join_all(subjects.iter().map(|subject| subject.scored(question, passes)));
    let target = plan.targets.first();
    let inside = inside::look(question, passes, target, &whole, &parts, &subjects);
    let (results, (inside, concepts)) = try_join(results, inside).await?;
    let windows = subjects.iter().zip(&results);
    let window_parts = windows
        .map(|(subject, scored)| subject.shown(question, scored, plan.targets.len()))
        .collect::<Result<Vec<_>>>()?;
    let merged = Merged { whole: &whole, parts: &parts, tasks: &plan.tasks, results: &results };
    let scored = merged.scored(question.methods.len(), plan.targets.len());
    let all = ExplanationParts {
        predicted: plan.predicted,
        scored,
        targets: plan.targets,
        values: plan.values,
        attention: None,
        inside,
        concepts,
        evaluation: None,
    };
    let mut explained = steps::assemble(question, whole, all);
    explained.windows = Some(window_parts);
    explained.warnings.extend(attention_selection.map(|_| no_attention()));
    Ok(explained)
}

fn no_attention() -> Warning {
    Warning {
        code: "no_attention",
        detail:
            "a text that is read in several windows has no attention; send a part of it to get \
                 the attention of that part"
                .to_owned(),
    }
}

/// A window, and what is explained in it.
struct WindowSubject<'a> {
    part: &'a TextWindow,
    first: &'a FirstPass,
    tasks: &'a [PartTask],
    targets: Vec<Resolved>,
    scalars: Vec<Scalar>,
    values: Vec<f64>,
    mask_values: MaskValues,
    seed: u64,
}

impl<'a> WindowSubject<'a> {
    fn new(
        question: &Question,
        part: &'a TextWindow,
        first: &'a FirstPass,
        tasks: &'a [PartTask],
    ) -> Self {
        let targets: Vec<Resolved> = tasks.iter().map(|task| task.resolved.clone()).collect();
        let scalars = targets.iter().map(|target| target.scalar.clone()).collect();
        let values = steps::values(&targets, &first.output);
        let (mask_values, seed) = (MaskValues::default(), question.seed);
        Self { part, first, tasks, targets, scalars, values, mask_values, seed }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            encoding: &self.part.encoding,
            reads: &self.first.reads,
            scalars: &self.scalars,
            values: &self.values,
            mask_values: &self.mask_values,
            seed: self.seed,
        }
    }

    /// Runs every method on the window's scalars.
    async fn scored(&self, question: &Question, passes: &Passes) -> Result<Vec<ScoredMethod>> {
        if self.tasks.is_empty() {
            return Ok(Vec::new());
        }
        let follow = Follow::default();
        steps::attributions(question, passes, self.subject(), &self.targets, &follow).await
    }

    /// Returns what the answer shows of the window; the whole text has `count` targets.
    fn shown(
        &self,
        question: &Question,
        scored: &[ScoredMethod],
        count: usize,
    ) -> Result<WindowPart> {
        let read = ModelOutput {
            model: &question.model,
            encoding: &self.part.encoding,
            reads: &self.first.reads,
            output: &self.first.output,
        };
        let of_method = |(method, scored): (usize, &ScoredMethod)| -> Vec<WindowShare> {
            let share =
                |((task, &output_value), one): ((&PartTask, &f64), &Attribution)| WindowShare {
                    explanation: method * count + task.target,
                    weight: task.weight,
                    output_value,
                    completeness: one.completeness,
                };
            self.tasks.iter().zip(&self.values).zip(&scored.attributions).map(share).collect()
        };
        Ok(WindowPart {
            tokens: self.part.content.clone(),
            predicted: tasks::of(question.model.task)
                .predicted(question, &read)?
                .with_tokens(|token| self.part.positions[token]),
            shares: scored.iter().enumerate().flat_map(of_method).collect(),
        })
    }
}

/// The results of all windows.
struct Merged<'a> {
    whole: &'a Encoding,
    parts: &'a [TextWindow],
    tasks: &'a [Vec<PartTask>],
    results: &'a [Vec<ScoredMethod>],
}

impl Merged<'_> {
    /// Returns every method's scores over the whole text.
    fn scored(&self, methods: usize, targets: usize) -> Vec<ScoredMethod> {
        let of_method = |method: usize| {
            let mut usage = Usage::default();
            let used = self.results.iter().filter_map(|scored| scored.get(method));
            used.for_each(|scored| usage.add(scored.usage));
            let attributions = (0..targets).map(|target| self.merge(method, target)).collect();
            ScoredMethod { attributions, usage }
        };
        (0..methods).map(of_method).collect()
    }

    fn merge(&self, method: usize, target: usize) -> Attribution {
        let mut scores = vec![0.; self.whole.tokens.len()];
        let (mut weighted, mut deviations) = (Vec::new(), Vec::new());
        for ((part, tasks), scored) in self.parts.iter().zip(self.tasks).zip(self.results) {
            let Some(k) = tasks.iter().position(|task| task.target == target) else { continue };
            let (weight, attribution) = (tasks[k].weight, &scored[method].attributions[k]);
            for (position, score) in part.positions.iter().zip(&attribution.scores) {
                scores[*position] += weight * score;
            }
            // The samples of windows are independent of each other.
            deviations.extend(attribution.deviations.iter().map(|own| {
                let mut deviation = vec![0.; scores.len()];
                for (position, value) in part.positions.iter().zip(own) {
                    deviation[*position] += weight * value;
                }
                deviation
            }));
            weighted.push((weight, attribution));
        }
        let (completeness, sampling) = (completeness(&weighted), sampling(&weighted));
        Attribution { scores, completeness, sampling, deviations, interactions: None }
    }
}

/// Returns the weighted sums of all windows. Converged if every window is.
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
        converged: all.iter().all(|sampling| sampling.converged),
        fit: None,
    })
}
