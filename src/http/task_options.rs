//! Fields of a request that are of one task.

use std::sync::Arc;

use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::explanation::{AnswerOptions, Candidates, Choice, HypothesisWords, NoAnswer};
use crate::heads::Task;
use crate::model::Model;

/// The most tokens of an answer, and the most answers, that can be asked for.
pub const LONGEST_ANSWER: usize = 1_000;
pub const MOST_ANSWERS: usize = 100;

/// The template of a caller who names none, and where a candidate goes.
const TEMPLATE: &str = "This text is about {}.";
const PLACE: &str = "{}";

/// How answers to a question are chosen.
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
        let detail = format!("this is for question answering; {id} is a {task} model");
        return Err(Error::field(*pointer, detail));
    }
    let default = AnswerOptions::default();
    Ok(AnswerOptions {
        none: match handle_impossible_answer {
            Some(true) => NoAnswer::Considered,
            Some(false) | None => default.none,
        },
        max_tokens: within(max_answer_len, default.max_tokens, LONGEST_ANSWER, "/max_answer_len")?,
        top_k: within(top_k, default.top_k, MOST_ANSWERS, "/top_k")?,
    })
}

fn within(given: Option<usize>, default: usize, most: usize, pointer: &str) -> Result<usize> {
    match given {
        None => Ok(default),
        Some(number) if (1..=most).contains(&number) => Ok(number),
        Some(number) => {
            let detail = format!("{number} is not from 1 to {most}");
            Err(Error::field(pointer, detail))
        }
    }
}

/// Candidates with their hypotheses, where there are some.
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
            Some((pointer, _)) => Err(Error::field(*pointer, "this goes with candidate_labels")),
        };
    };
    check_labels(&labels, limits)?;
    let template = template.as_deref().unwrap_or(TEMPLATE);
    let (before, after) = parts(template, limits)?;
    // As transformers' pipeline: one candidate has no other to compete with.
    let choice = match (multi_label, labels.len()) {
        (Some(true), _) | (_, 1) => Choice::Several,
        _ => Choice::One,
    };
    let words = match explain_hypothesis {
        Some(true) => HypothesisWords::Explained,
        Some(false) | None => HypothesisWords::Held,
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
            format!("{} candidates; at most {} are taken", labels.len(), limits.candidates);
        return Err(Error::field("/candidate_labels", detail));
    }
    for (place, label) in labels.iter().enumerate() {
        let pointer = format!("/candidate_labels/{place}");
        if label.trim().is_empty() {
            return Err(Error::new(Code::InputEmpty, "the candidate is empty").at(pointer));
        }
        check_length(label, limits, &pointer)?;
        if labels[..place].contains(label) {
            return Err(Error::field(pointer, "the candidate is named twice"));
        }
    }
    Ok(())
}

fn check_length(text: &str, limits: &Limits, pointer: &str) -> Result<()> {
    let most = limits.candidate_characters;
    match text.chars().nth(most) {
        None => Ok(()),
        Some(_) => Err(Error::field(pointer, format!("it has more than {most} characters"))),
    }
}

/// What of a template is before and after the candidate.
fn parts<'a>(template: &'a str, limits: &Limits) -> Result<(&'a str, &'a str)> {
    let pointer = "/hypothesis_template";
    check_length(template, limits, pointer)?;
    let braces = |text: &str| text.contains(['{', '}']);
    match template.split_once(PLACE) {
        Some((before, after)) if !braces(before) && !braces(after) => Ok((before, after)),
        _ => {
            let detail = "a template has one {} where the candidate goes, and no other braces";
            Err(Error::field(pointer, detail))
        }
    }
}
