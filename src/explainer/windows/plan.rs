//! What the parts of a text say together, and which part is explained for what;
//! a way for each kind of task.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::explainer::single::{self, Seen};
use crate::explanation::{
    AnswerOptions, Combine, FoundAnswer, NoAnswer, Predicted, Question, Resolved, Target,
};
use crate::heads::Task;
use crate::rows::{RowOutput, Scalar};
use crate::tasks::answer::{self, Answered};
use crate::tasks::{self, Read};
use crate::text::Encoding;
use crate::text::windows::Part;

/// The whole text's answer, and what each part adds to its explanations.
pub struct Plan {
    pub predicted: Predicted,
    /// Tokens by their numbers in the whole text.
    pub targets: Vec<Resolved>,
    /// The value of each target.
    pub values: Vec<f64>,
    /// What is explained in each part.
    pub tasks: Vec<Vec<PartTask>>,
}

/// A target as one part's scalar.
#[derive(Debug, Clone)]
pub struct PartTask {
    /// The number of the target.
    pub target: usize,
    /// What the part's scores are multiplied with.
    pub weight: f64,
    /// Of the part's own outputs.
    pub resolved: Resolved,
}

/// Whether a model's parts can be put together, and how a caller may choose to.
pub fn check(question: &Question) -> Result<()> {
    let model = &question.model;
    let chosen = question.window.and_then(|window| window.combine);
    match (model.task, chosen) {
        (Task::TextClassification | Task::NextSentence, _)
        | (Task::TokenClassification | Task::QuestionAnswering, None) => Ok(()),
        (Task::TokenClassification | Task::QuestionAnswering, Some(_)) => {
            let detail = "each answer is one window's: there is nothing to combine";
            Err(Error::field("/window/combine", detail))
        }
        (Task::FillMask | Task::Embedding, _) => {
            let detail = format!("{} is a {} model: no windows", model.id, model.task.name());
            Err(Error::field("/window", detail))
        }
    }
}

pub fn of(question: &Question, whole: &Encoding, parts: &[Part], seen: &[Seen]) -> Result<Plan> {
    match question.model.task {
        Task::QuestionAnswering => best_answer(question, whole, parts, seen),
        Task::TokenClassification => token_by_token(question, whole, parts, seen),
        _ => together(question, whole, seen),
    }
}

/// One answer for the whole text: the mean of the parts' outputs, or for each
/// target the part where it is highest.
fn together(question: &Question, whole: &Encoding, seen: &[Seen]) -> Result<Plan> {
    let combine = question.window.and_then(|window| window.combine).unwrap_or(Combine::Mean);
    let output = RowOutput {
        logits: combined(combine, seen, |output| &output.logits),
        probabilities: combined(combine, seen, |output| &output.probabilities),
        ..RowOutput::default()
    };
    let read = Read { model: &question.model, encoding: whole, reads: &[], output: &output };
    let targets = single::targets(question, &read)?;
    let value = |seen: &Seen, target: &Resolved| {
        target.scalar.value(&seen.output.logits, &seen.output.probabilities)
    };
    let highest = |target: &Resolved| {
        let values: Vec<f64> = seen.iter().map(|seen| value(seen, target)).collect();
        (0..values.len()).fold(0, |best, w| if values[w] > values[best] { w } else { best })
    };
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); seen.len()];
    let mut values = vec![0.; targets.len()];
    for (number, target) in targets.iter().enumerate() {
        let (parts, weight) = match combine {
            Combine::Mean => ((0..seen.len()).collect(), 1. / seen.len() as f64),
            Combine::Max => (vec![highest(target)], 1.),
        };
        for part in parts {
            values[number] += weight * value(&seen[part], target);
            tasks[part].push(PartTask { target: number, weight, resolved: target.clone() });
        }
    }
    let predicted = tasks::of(question.model.task).predicted(question, &read)?;
    Ok(Plan { predicted, targets, values, tasks })
}

/// Each output of all parts.
fn combined(combine: Combine, seen: &[Seen], of: fn(&RowOutput) -> &Vec<f64>) -> Vec<f64> {
    let column = |i: usize| seen.iter().map(move |seen| of(&seen.output)[i]);
    let output = |i| match combine {
        Combine::Mean => column(i).sum::<f64>() / seen.len() as f64,
        Combine::Max => column(i).fold(f64::NEG_INFINITY, f64::max),
    };
    (0..seen.first().map_or(0, |seen| of(&seen.output).len())).map(output).collect()
}

/// The part that sees most around a token: its own for the tokens before and
/// after the text.
fn owner(parts: &[Part], token: usize) -> usize {
    let around = |part: &Part| {
        let content = &part.content;
        match part.places.binary_search(&token) {
            Err(_) => None,
            Ok(_) if !content.contains(&token) => Some(0),
            Ok(_) => Some(1 + (token - content.start).min(content.end - 1 - token)),
        }
    };
    let mut best = (0, None);
    for (number, part) in parts.iter().enumerate() {
        if around(part) > best.1 {
            best = (number, around(part));
        }
    }
    best.0
}

/// Each token's answer from the part that sees most around it.
fn token_by_token(
    question: &Question,
    whole: &Encoding,
    parts: &[Part],
    seen: &[Seen],
) -> Result<Plan> {
    let (behaviour, width) = (tasks::of(question.model.task), question.model.outputs());
    let reads: Arc<[usize]> = behaviour.reads(whole, &question.model)?;
    // The outputs of a token in its part.
    let place = |token: usize| {
        let part = owner(parts, token);
        let number = parts[part].places.binary_search(&token).unwrap_or_default();
        let read = seen[part].reads.iter().position(|&read| read == number).unwrap_or_default();
        (part, read * width)
    };
    let gathered = |of: fn(&RowOutput) -> &Vec<f64>| -> Vec<f64> {
        let outputs = |&token: &usize| {
            let (part, first) = place(token);
            of(&seen[part].output)[first..first + width].to_vec()
        };
        reads.iter().flat_map(outputs).collect()
    };
    let output = RowOutput {
        logits: gathered(|output| &output.logits),
        probabilities: gathered(|output| &output.probabilities),
        ..RowOutput::default()
    };
    let read = Read { model: &question.model, encoding: whole, reads: &reads, output: &output };
    let targets = single::targets(question, &read)?;
    let values = single::values(&targets, &output);
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); parts.len()];
    for (target, resolved) in targets.iter().enumerate() {
        let (part, first) = place(resolved.token.unwrap_or_default());
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

/// The answer that one part is surest of, explained in that part.
fn best_answer(
    question: &Question,
    whole: &Encoding,
    parts: &[Part],
    seen: &[Seen],
) -> Result<Plan> {
    let read = |part: usize| Read {
        model: &question.model,
        encoding: &parts[part].encoding,
        reads: &seen[part].reads,
        output: &seen[part].output,
    };
    let reads: Vec<Read<'_>> = (0..parts.len()).map(read).collect();
    let (surest, answered) = surest(&question.answers, &reads, parts)?;
    // That part need not be asked again whether there is an answer.
    let none = if answered.is_none() { NoAnswer::Considered } else { NoAnswer::Ignored };
    let answers = AnswerOptions { none, ..question.answers };
    let predicted = tasks::of(question.model.task).predicted(question, &reads[surest])?;
    let predicted = match predicted.with_tokens(|token| parts[surest].places[token]) {
        Predicted::Answer { start, end, .. } => {
            let Answered { answer, others, null_score } = answered;
            Predicted::Answer { answer, others, null_score, start, end }
        }
        other => other,
    };
    let question = &Question { answers, ..question.clone() };
    let (part, question) = in_part(question, whole, parts, surest)?;
    let targets = single::targets(&question, &reads[part])?;
    let values = single::values(&targets, &seen[part].output);
    let places = &parts[part].places;
    let mut tasks: Vec<Vec<PartTask>> = vec![Vec::new(); parts.len()];
    let task = |(target, resolved): (usize, &Resolved)| PartTask {
        target,
        weight: 1.,
        resolved: resolved.clone(),
    };
    tasks[part] = targets.iter().enumerate().map(task).collect();
    let outward = |resolved: Resolved| Resolved {
        token: resolved.token.map(|token| places[token]),
        ..resolved
    };
    Ok(Plan { predicted, targets: targets.into_iter().map(outward).collect(), values, tasks })
}

/// The answers of all parts, by the tokens of the whole, and the part that the best is of.
/// That there is none is as sure as the part that is least sure of it.
fn surest(
    options: &AnswerOptions,
    reads: &[Read<'_>],
    parts: &[Part],
) -> Result<(usize, Answered)> {
    let found = |(read, part): (&Read<'_>, &Part)| -> Vec<FoundAnswer> {
        let outward = |answer: FoundAnswer| answer.with_tokens(|token| part.places[token]);
        answer::found(options, read).into_iter().map(outward).collect()
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

/// The part that is asked, and the question with its own number of the token; a
/// token that the caller names is looked for where most is around it.
fn in_part(
    question: &Question,
    whole: &Encoding,
    parts: &[Part],
    surest: usize,
) -> Result<(usize, Question)> {
    let Target::Border { border, token: Some(token) } = question.target else {
        return Ok((surest, question.clone()));
    };
    if token >= whole.tokens.len() {
        let detail = format!("the input has {} tokens", whole.tokens.len());
        return Err(Error::field("/target/token", detail));
    }
    let part = owner(parts, token);
    let own = parts[part].places.binary_search(&token).ok();
    let target = Target::Border { border, token: own };
    Ok((part, Question { target, ..question.clone() }))
}
