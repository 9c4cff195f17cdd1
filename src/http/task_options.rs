//! Fields of a request that only one task uses.

use std::sync::Arc;

use utoipa::openapi::ArrayBuilder;

use super::schemas::{TextShape, integer, named, shape};
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::explanation::{AnswerOptions, Candidates, HypothesisWords, LabelChoice, NoAnswer};
use crate::heads::Task;
use crate::model::Model;

/// Limits of `max_answer_len` and `top_k`.
const MAX_ANSWER_LEN: usize = 1_000;
const MAX_ANSWERS: usize = 100;

/// Default hypothesis template, and the placeholder for the candidate.
const TEMPLATE: &str = "This text is about {}.";
const PLACEHOLDER: &str = "{}";

shape! {
    /// The client's own labels.
    CandidatesShape [TextShape]
    ArrayBuilder::new().items(named::<TextShape>()).min_items(Some(1)).unique_items(true)
}

shape! {
    /// Maximum number of tokens of an answer.
    AnswerLength []
    integer(1, MAX_ANSWER_LEN as u64)
}

shape! {
    /// Number of answers.
    AnswersShape []
    integer(1, MAX_ANSWERS as u64)
}

/// Validates the options of question answering.
pub fn answers(
    model: &Model,
    handle_impossible_answer: Option<bool>,
    max_answer_len: Option<usize>,
    top_k: Option<usize>,
) -> Result<AnswerOptions> {
    let given = [
        ("/handle_impossible_answer", handle_impossible_answer.is_some()),
        ("/max_answer_len", max_answer_len.is_some()),
        ("/top_k", top_k.is_some()),
    ];
    if let (Some((pointer, _)), true) =
        (given.iter().find(|(_, given)| *given), model.task != Task::QuestionAnswering)
    {
        let (id, task) = (&model.id, model.task.name());
        let field = &pointer[1..];
        let detail = format!("{field} is for question answering; {id} is a {task} model");
        return Err(Error::field(*pointer, detail));
    }
    let default = AnswerOptions::default();
    Ok(AnswerOptions {
        none: match handle_impossible_answer {
            Some(true) => NoAnswer::Considered,
            Some(false) | None => default.none,
        },
        max_tokens: within(max_answer_len, default.max_tokens, MAX_ANSWER_LEN, "/max_answer_len")?,
        top_k: within(top_k, default.top_k, MAX_ANSWERS, "/top_k")?,
    })
}

fn within(given: Option<usize>, default: usize, max: usize, pointer: &str) -> Result<usize> {
    match given {
        None => Ok(default),
        Some(number) if (1..=max).contains(&number) => Ok(number),
        Some(number) => {
            let field = &pointer[1..];
            let detail = format!("{field} must be an integer from 1 to {max}, not {number}");
            Err(Error::field(pointer, detail))
        }
    }
}

/// Validates the candidates and builds their hypotheses; `None` without candidates.
pub fn candidates(
    limits: &Limits,
    labels: Option<Vec<String>>,
    template: Option<String>,
    multi_label: Option<bool>,
    explain_hypothesis: Option<bool>,
) -> Result<Option<Arc<Candidates>>> {
    let Some(labels) = labels else {
        let given = [
            ("/hypothesis_template", template.is_some()),
            ("/multi_label", multi_label.is_some()),
            ("/explain_hypothesis", explain_hypothesis.is_some()),
        ];
        return match given.iter().find(|(_, given)| *given) {
            None => Ok(None),
            Some((pointer, _)) => Err(Error::field(*pointer, "this needs candidate_labels")),
        };
    };
    check_labels(&labels, limits)?;
    let template = template.as_deref().unwrap_or(TEMPLATE);
    let (before, after) = parts(template, limits)?;
    // As in transformers' pipeline, a single candidate is always scored on its own.
    let choice = match (multi_label, labels.len()) {
        (Some(true), _) | (_, 1) => LabelChoice::Several,
        _ => LabelChoice::One,
    };
    let words = match explain_hypothesis {
        Some(true) => HypothesisWords::Explained,
        Some(false) | None => HypothesisWords::Fixed,
    };
    let hypotheses = labels.iter().map(|label| format!("{before}{label}{after}")).collect();
    let labels = labels.into_iter().map(Arc::from).collect();
    Ok(Some(Arc::new(Candidates { labels, hypotheses, choice, words })))
}

fn check_labels(labels: &[String], limits: &Limits) -> Result<()> {
    if labels.is_empty() {
        let detail = "candidate_labels is empty";
        return Err(Error::new(Code::InputEmpty, detail).at("/candidate_labels"));
    }
    if labels.len() > limits.candidates {
        let detail =
            format!("{} candidates; at most {} are accepted", labels.len(), limits.candidates);
        return Err(Error::field("/candidate_labels", detail));
    }
    for (index, label) in labels.iter().enumerate() {
        let pointer = format!("/candidate_labels/{index}");
        if label.trim().is_empty() {
            return Err(Error::new(Code::InputEmpty, "the candidate is empty").at(pointer));
        }
        check_length(label, limits, &pointer)?;
        if labels[..index].contains(label) {
            return Err(Error::field(pointer, "the candidate is named twice"));
        }
    }
    Ok(())
}

fn check_length(text: &str, limits: &Limits, pointer: &str) -> Result<()> {
    let max = limits.candidate_characters;
    match text.chars().nth(max) {
        None => Ok(()),
        Some(_) => Err(Error::field(pointer, format!("it has more than {max} characters"))),
    }
}

/// Splits a template into the parts before and after the candidate.
fn parts<'a>(template: &'a str, limits: &Limits) -> Result<(&'a str, &'a str)> {
    let pointer = "/hypothesis_template";
    check_length(template, limits, pointer)?;
    let braces = |text: &str| text.contains(['{', '}']);
    match template.split_once(PLACEHOLDER) {
        Some((before, after)) if !braces(before) && !braces(after) => Ok((before, after)),
        _ => {
            let detail = "a template has one {} for the candidate, and no other braces";
            Err(Error::field(pointer, detail))
        }
    }
}
