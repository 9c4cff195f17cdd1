//! Combines the predictions of all windows, and selects the windows in which each target is
//! explained, for each kind of task.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::explainer::first_pass::FirstPass;
use crate::explainer::steps;
use crate::explanation::{
    AnswerOptions, Combine, FoundAnswer, NoAnswer, Predicted, Question, Resolved, Target,
};
use crate::heads::Task;
use crate::rows::{RowOutput, Scalar};
use crate::tasks::answer::{self, Answered};
use crate::tasks::{self, ModelOutput};
use crate::text::Encoding;
use crate::text::windows::TextWindow;

/// The prediction for the whole text, and what each window contributes to its explanations.
pub struct Plan {
    pub predicted: Predicted,
    /// Token positions are those in the whole text.
    pub targets: Vec<Resolved>,
    /// The value of each target.
    pub values: Vec<f64>,
    /// The scalars to explain in each window.
    pub tasks: Vec<Vec<PartTask>>,
}

/// A target as a scalar of one window.
#[derive(Debug, Clone)]
pub struct PartTask {
    /// Index of the target.
    pub target: usize,
    /// Factor of the window's scores.
    pub weight: f64,
    /// The target in terms of the window's own outputs.
    pub resolved: Resolved,
}

/// Checks that the task supports windows, and the requested way of combining them.
pub fn check(question: &Question) -> Result<()> {
    let model = &question.model;
    let combine = question.window.and_then(|window| window.combine);
    match (model.task, combine) {
        (Task::TextClassification | Task::NextSentence, _)
        | (Task::TokenClassification | Task::QuestionAnswering, None) => Ok(()),
        (Task::TokenClassification | Task::QuestionAnswering, Some(_)) => {
            let detail = "each answer comes from one window, so there is nothing to combine";
            Err(Error::field("/window/combine", detail))
        }
        (Task::FillMask | Task::Embedding, _) => {
            let detail = format!("{} is a {} model, without windows", model.id, model.task.name());
            Err(Error::field("/window", detail))
        }
    }
}

pub fn of(
    question: &Question,
    whole: &Encoding,
    parts: &[TextWindow],
    passes: &[FirstPass],
) -> Result<Plan> {
    match question.model.task {
        Task::QuestionAnswering => best_answer(question, whole, parts, passes),
        Task::TokenClassification => token_by_token(question, whole, parts, passes),
        _ => classification(question, whole, passes),
    }
}

/// Combines the predictions for a whole text: the mean of the windows' outputs, or for each target
/// the window where it is highest.
fn classification(question: &Question, whole: &Encoding, passes: &[FirstPass]) -> Result<Plan> {
    let combine = question.window.and_then(|window| window.combine).unwrap_or(Combine::Mean);
    let output = RowOutput {
        logits: combined(combine, passes, |output| &output.logits),
        probabilities: combined(combine, passes, |output| &output.probabilities),
        ..RowOutput::default()
    };
    let read = ModelOutput { model: &question.model, encoding: whole, reads: &[], output: &output };
    let targets = steps::targets(question, &read)?;
    let value = |pass: &FirstPass, target: &Resolved| {
        target.scalar.value(&pass.output.logits, &pass.output.probabilities)
    };
    let highest = |target: &Resolved| {
        let values: Vec<f64> = passes.iter().map(|pass| value(pass, target)).collect();
        (0..values.len()).fold(0, |best, w| if values[w] > values[best] { w } else { best })
    };
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); passes.len()];
    let mut values = vec![0.; targets.len()];
    for (index, target) in targets.iter().enumerate() {
        let (parts, weight) = match combine {
            Combine::Mean => ((0..passes.len()).collect(), 1. / passes.len() as f64),
            Combine::Max => (vec![highest(target)], 1.),
        };
        for part in parts {
            values[index] += weight * value(&passes[part], target);
            tasks[part].push(PartTask { target: index, weight, resolved: target.clone() });
        }
    }
    let predicted = tasks::of(question.model.task).predicted(question, &read)?;
    Ok(Plan { predicted, targets, values, tasks })
}

/// Combines each output over all windows.
fn combined(combine: Combine, passes: &[FirstPass], of: fn(&RowOutput) -> &Vec<f64>) -> Vec<f64> {
    let column = |i: usize| passes.iter().map(move |pass| of(&pass.output)[i]);
    let output = |i| match combine {
        Combine::Mean => column(i).sum::<f64>() / passes.len() as f64,
        Combine::Max => column(i).fold(f64::NEG_INFINITY, f64::max),
    };
    (0..passes.first().map_or(0, |pass| of(&pass.output).len())).map(output).collect()
}

/// Returns the window with the most context around a token. Tokens outside the content of windows
/// belong to the first window that has them.
fn owner(parts: &[TextWindow], token: usize) -> usize {
    let context = |part: &TextWindow| {
        let content = &part.content;
        match part.positions.binary_search(&token) {
            Err(_) => None,
            Ok(_) if !content.contains(&token) => Some(0),
            Ok(_) => Some(1 + (token - content.start).min(content.end - 1 - token)),
        }
    };
    let mut best = (0, None);
    for (index, part) in parts.iter().enumerate() {
        if context(part) > best.1 {
            best = (index, context(part));
        }
    }
    best.0
}

/// Takes each token's prediction from the window with the most context around it.
fn token_by_token(
    question: &Question,
    whole: &Encoding,
    parts: &[TextWindow],
    passes: &[FirstPass],
) -> Result<Plan> {
    let (behaviour, width) = (tasks::of(question.model.task), question.model.outputs());
    let reads: Arc<[usize]> = behaviour.reads(whole, &question.model)?;
    // Returns the window of a token, and the index of its first output there.
    let locate = |token: usize| {
        let part = owner(parts, token);
        let position = parts[part].positions.binary_search(&token).unwrap_or_default();
        let read = passes[part].reads.iter().position(|&read| read == position).unwrap_or_default();
        (part, read * width)
    };
    let gathered = |of: fn(&RowOutput) -> &Vec<f64>| -> Vec<f64> {
        let outputs = |&token: &usize| {
            let (part, first) = locate(token);
            of(&passes[part].output)[first..first + width].to_vec()
        };
        reads.iter().flat_map(outputs).collect()
    };
    let output = RowOutput {
        logits: gathered(|output| &output.logits),
        probabilities: gathered(|output| &output.probabilities),
        ..RowOutput::default()
    };
    let read =
        ModelOutput { model: &question.model, encoding: whole, reads: &reads, output: &output };
    let targets = steps::targets(question, &read)?;
    let values = steps::values(&targets, &output);
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); parts.len()];
    for (target, resolved) in targets.iter().enumerate() {
        let (part, first) = locate(resolved.token.unwrap_or_default());
        let in_part = match &resolved.scalar {
            Scalar::Sum { output, terms } => {
                let terms = terms.iter().map(|&(i, weight)| (first + i % width, weight)).collect();
                Scalar::Sum { output: *output, terms }
            }
            other => other.clone(),
        };
        let resolved = Resolved { scalar: in_part, ..resolved.clone() };
        tasks[part].push(PartTask { target, weight: 1., resolved });
    }
    let predicted = behaviour.predicted(question, &read)?;
    Ok(Plan { predicted, targets, values, tasks })
}

/// Takes the most probable answer of all windows, and explains it in its window.
fn best_answer(
    question: &Question,
    whole: &Encoding,
    parts: &[TextWindow],
    passes: &[FirstPass],
) -> Result<Plan> {
    let read = |part: usize| ModelOutput {
        model: &question.model,
        encoding: &parts[part].encoding,
        reads: &passes[part].reads,
        output: &passes[part].output,
    };
    let reads: Vec<ModelOutput<'_>> = (0..parts.len()).map(read).collect();
    let (surest, answered) = surest(&question.answers, &reads, parts)?;
    // Whether there is an answer is decided, so that window need not consider it again.
    let none = if answered.is_none() { NoAnswer::Considered } else { NoAnswer::Ignored };
    let answers = AnswerOptions { none, ..question.answers };
    let predicted = tasks::of(question.model.task).predicted(question, &reads[surest])?;
    let predicted = match predicted.with_tokens(|token| parts[surest].positions[token]) {
        Predicted::Answer { start, end, .. } => {
            let Answered { answer, others, null_score } = answered;
            Predicted::Answer { answer, others, null_score, start, end }
        }
        other => other,
    };
    let question = &Question { answers, ..question.clone() };
    let (part, question) = in_part(question, whole, parts, surest)?;
    let targets = steps::targets(&question, &reads[part])?;
    let values = steps::values(&targets, &passes[part].output);
    let positions = &parts[part].positions;
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); parts.len()];
    let task = |(target, resolved): (usize, &Resolved)| PartTask {
        target,
        weight: 1.,
        resolved: resolved.clone(),
    };
    tasks[part] = targets.iter().enumerate().map(task).collect();
    let to_whole = |resolved: Resolved| Resolved {
        token: resolved.token.map(|token| positions[token]),
        ..resolved
    };
    Ok(Plan { predicted, targets: targets.into_iter().map(to_whole).collect(), values, tasks })
}

/// Returns the window of the best answer, and the answers of all windows by token positions in the
/// whole text. The score of there being no answer is the lowest of all windows.
fn surest(
    options: &AnswerOptions,
    reads: &[ModelOutput<'_>],
    parts: &[TextWindow],
) -> Result<(usize, Answered)> {
    let found = |(read, part): (&ModelOutput<'_>, &TextWindow)| -> Vec<FoundAnswer> {
        let to_whole = |answer: FoundAnswer| answer.with_tokens(|token| part.positions[token]);
        answer::found(options, read).into_iter().map(to_whole).collect()
    };
    let found: Vec<Vec<FoundAnswer>> = reads.iter().zip(parts).map(found).collect();
    let nulls: Vec<Option<f64>> =
        reads.iter().map(|read| answer::null_score(options, read)).collect();
    let null_score = nulls.iter().flatten().copied().reduce(f64::min);
    let of_all = answer::surest(options, found.concat());
    let answered = Answered::of(options, of_all, null_score)?;
    let part = match answered.is_none() {
        true => nulls.iter().position(|null| *null == null_score),
        false => found.iter().position(|found| found.first() == Some(&answered.answer)),
    };
    Ok((part.ok_or_else(|| Error::internal("no part has an answer"))?, answered))
}

/// Returns the window to explain, and the question with the token's position in it. If the caller
/// names a token, this is the window with the most context around it.
fn in_part(
    question: &Question,
    whole: &Encoding,
    parts: &[TextWindow],
    surest: usize,
) -> Result<(usize, Question)> {
    let Target::SpanBoundary { border, token: Some(token) } = question.target else {
        return Ok((surest, question.clone()));
    };
    if token >= whole.tokens.len() {
        let detail = format!("the input has {} tokens", whole.tokens.len());
        return Err(Error::field("/target/token", detail));
    }
    let part = owner(parts, token);
    let position = parts[part].positions.binary_search(&token).ok();
    let target = Target::SpanBoundary { border, token: position };
    Ok((part, Question { target, ..question.clone() }))
}
