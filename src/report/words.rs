//! Which words drive each class of a model over a corpus: the effect of a word where it occurs,
//! apart from how often it occurs.

mod json;
mod plots;
mod presentation;
mod summary;
mod tally;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{RunError, Scope};
use crate::attribution::{Granularity, MethodEntry, Options};
use crate::error::{Code, Error};
use crate::explanation::{Explained, Lexicon, Predicted, Question, Resolved, ScalarName, Target};
use crate::heads::Task;
use crate::model::Model;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

pub use json::json;
pub use presentation::{document, terminal};
pub use summary::{Class, GroupEffect, Summary, WordEffect};
use tally::Tally;

/// What is measured.
#[derive(Clone)]
pub struct Settings {
    pub method: &'static MethodEntry,
    pub options: Options,
    pub seed: u64,
    /// The fewest texts with a word for an interval.
    pub min_texts: usize,
    /// Groups of words whose scores are added up in every text.
    pub lexicon: Lexicon,
}

/// Explains every text for every class, and summarises the scores of the words. Continues from the
/// records in `folder`, and calls `known` with their number.
///
/// # Errors
/// Fails if the model has no classes of whole texts, if the records cannot be written, or if no
/// text could be explained.
pub async fn run(
    scope: &Scope<'_>,
    settings: &Settings,
    folder: &Path,
    known: impl FnOnce(usize),
) -> Result<Summary, RunError> {
    check(scope.model, settings.method)?;
    let mut tally = Tally::new(scope.model.outputs(), settings.lexicon.clone());
    let (method, seed) = (settings.method.name, settings.seed);
    let identity = json!({ "command": "words", "method": method, "seed": seed });
    let work = async |input: Input| explain(scope, settings, input).await;
    let run = scope.run(&mut tally, folder, &identity, known, work).await?;
    Ok(Summary::new(scope, settings, &tally, &run))
}

fn check(model: &Model, method: &MethodEntry) -> Result<(), Error> {
    let unsuitable =
        |detail, pointer| Err(Error::new(Code::MethodNotSupported, detail).at(pointer));
    if model.task != Task::TextClassification {
        let (id, task) = (&model.id, model.task.name());
        let detail =
            format!("{id} is a {task} model; only a text-classification model has classes");
        return unsuitable(detail, "/model");
    }
    if !method.signed {
        let name = method.name;
        let detail = format!("scores of {name} have no sign, so they are for no class");
        return unsuitable(detail, "/methods");
    }
    Ok(())
}

/// Returns the record of one text.
async fn explain(scope: &Scope<'_>, settings: &Settings, input: Input) -> Result<Value, Error> {
    let question = Question {
        methods: vec![(settings.method, settings.options.clone())],
        target: Target::All,
        granularity: vec![Granularity::Word],
        truncate: Truncate::Yes,
        seed: settings.seed,
        ..Question::prediction(Arc::clone(scope.model), vec![input])
    };
    let mut results = scope.explainer.explain(question).await?.results;
    let (_, explained) = results.pop().ok_or_else(|| Error::internal("no result"))?;
    record(&explained?, scope.model.outputs())
}

/// `{"predicted", "truncated", "words": [[word, occurrences, [mean score per class]]]}`, with the
/// words in lower case. Words beyond what the model reads are left out.
fn record(explained: &Explained, classes: usize) -> Result<Value, Error> {
    let Predicted::Labels(predictions) = &explained.predicted else {
        return Err(Error::internal("a classifier gave no labels"));
    };
    let mut scores: Vec<&[f64]> = vec![&[]; classes];
    for explanation in &explained.explanations {
        if let (Some(class), Some((_, words))) =
            (class_of(&explanation.target), explanation.scores.first())
        {
            scores[class] = words;
        }
    }
    let mut words: Vec<(String, usize, Vec<f64>)> = Vec::new();
    for (index, unit) in explained.words.iter().enumerate() {
        if unit.tokens.is_empty() {
            continue;
        }
        let word = unit.text.to_lowercase();
        let own = scores.iter().map(|of_class| of_class.get(index).copied().unwrap_or_default());
        match words.iter_mut().find(|(known, ..)| *known == word) {
            Some((_, count, sums)) => {
                *count += 1;
                sums.iter_mut().zip(own).for_each(|(sum, score)| *sum += score);
            }
            None => words.push((word, 1, own.collect())),
        }
    }
    let words: Vec<Value> = words
        .into_iter()
        .map(|(word, count, sums)| {
            let means: Vec<f64> = sums.iter().map(|sum| sum / count as f64).collect();
            json!([word, count, means])
        })
        .collect();
    let predicted = predictions.first().map(|first| first.index);
    Ok(json!({ "predicted": predicted, "truncated": explained.truncated, "words": words }))
}

fn class_of(target: &Resolved) -> Option<usize> {
    match &target.what {
        ScalarName::Class(class) => Some(class.index),
        _ => None,
    }
}

/// Returns the files of the report by name.
pub fn files(summary: &Summary) -> Vec<(String, String)> {
    let mut files = document(summary).files();
    files.push(("report.json".to_owned(), format!("{:#}\n", json(summary))));
    files
}
