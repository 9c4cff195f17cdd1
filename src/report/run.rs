//! Explains and measures every example.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::Example;
use crate::attribution::{Granularity, MethodEntry, Options};
use crate::corpus::states;
use crate::error::{Error, Result};
use crate::evaluation::statistics::mean;
use crate::evaluation::{Agreement, Evaluation, Settings, Value, keys, ranking};
use crate::explainer::Explainer;
use crate::explanation::{Explained, Predicted, Question};
use crate::model::Model;
use crate::text::tokenizer::Truncate;
use crate::text::{Input, Unit};

/// Number of texts that are explained concurrently, to fill the passes.
const CONCURRENT_TEXTS: usize = 4;

/// The measurements of one text.
#[derive(Debug, Clone)]
pub struct Record {
    /// Index in the data.
    pub number: usize,
    pub predicted: String,
    /// Whether the prediction is the label, if there is one.
    pub correct: Option<bool>,
    pub tokens: usize,
    /// What a person marked, if anything.
    pub marked: Option<Marked>,
    /// The methods in the requested order, then the random reference.
    pub methods: Vec<Measured>,
    pub agreement: Vec<Agreement>,
}

/// A text and the words that a person marked.
#[derive(Debug, Clone)]
pub struct Marked {
    pub text: String,
    pub words: Vec<String>,
}

/// One method's measurements of one text.
#[derive(Debug, Clone)]
pub struct Measured {
    pub name: String,
    /// Flat: parts are called `measure.part`.
    pub measures: Vec<(String, f64)>,
    /// Of a text with marked words, as many words with the highest scores, the highest first.
    pub top: Vec<String>,
    pub compute: Duration,
    pub forward_rows: usize,
    pub gradient_rows: usize,
}

/// Name of a method's mean rank over the faithfulness measures.
pub const MEAN_RANK: &str = "mean_rank";

/// Name of a method's convergence flag, 1 or 0, if it reports one.
pub const CONVERGED: &str = "converged";

/// Measures all methods on every example, in order; `done` is called after each. Examples that
/// cannot be explained are returned separately, as errors with their index.
pub async fn run(
    explainer: &Explainer,
    model: &Arc<Model>,
    examples: &[Example],
    methods: &[(&'static MethodEntry, Options)],
    seed: u64,
    done: impl Fn(),
) -> (Vec<Record>, Vec<(usize, Error)>) {
    let one = async |(number, example): (usize, &Example)| {
        let record = measure(explainer, model, number, example, methods, seed).await;
        done();
        (number, record)
    };
    let all = stream::iter(examples.iter().enumerate()).map(one).buffered(CONCURRENT_TEXTS);
    let (mut records, mut failed) = (Vec::new(), Vec::new());
    for (number, record) in all.collect::<Vec<_>>().await {
        match record {
            Ok(record) => records.push(record),
            Err(error) => failed.push((number, error)),
        }
    }
    (records, failed)
}

async fn measure(
    explainer: &Explainer,
    model: &Arc<Model>,
    number: usize,
    example: &Example,
    methods: &[(&'static MethodEntry, Options)],
    seed: u64,
) -> Result<Record> {
    let input = Input {
        text: example.text.clone(),
        text_pair: example.text_pair.clone(),
        rationale: example.rationale.clone(),
        pointer: "/inputs".to_owned(),
        ..Input::default()
    };
    let question = Question {
        methods: methods.to_vec(),
        evaluate: Some(Settings::default()),
        granularity: vec![Granularity::Word],
        truncate: Truncate::Yes,
        seed,
        ..Question::prediction(Arc::clone(model), vec![input])
    };
    let mut results = explainer.explain(question).await?.results;
    let (_, explained) = results.pop().ok_or_else(|| Error::internal("no result"))?;
    Ok(record(model, number, example, explained?))
}

fn record(model: &Model, number: usize, example: &Example, explained: Explained) -> Record {
    let evaluation = explained.evaluation.as_ref();
    let best = match &explained.predicted {
        Predicted::Labels(labels) => labels.first(),
        _ => None,
    };
    let correct = best
        .zip(example.label.as_ref())
        .map(|(best, label)| states::label(model, label) == Ok(best.index));
    let words = marked(&explained.words, &example.rationale);
    Record {
        number,
        predicted: best.map(|best| best.label.clone()).unwrap_or_default(),
        correct,
        tokens: explained.tokens.len(),
        methods: evaluation
            .map(|found| measured(found, &explained, words.len()))
            .unwrap_or_default(),
        marked: (!words.is_empty()).then(|| Marked { text: example.text.clone(), words }),
        agreement: evaluation.and_then(|found| found.agreement.clone()).unwrap_or_default(),
    }
}

/// Returns the words of the first text that the spans overlap.
fn marked(words: &[Unit], spans: &[(usize, usize)]) -> Vec<String> {
    let is_marked = |word: &&Unit| {
        let overlaps = |&(start, end): &(usize, usize)| word.start < end && start < word.end;
        word.segment == 0 && spans.iter().any(overlaps)
    };
    words.iter().filter(is_marked).map(|word| word.text.clone()).collect()
}

/// Returns the `count` words with the highest scores, the highest first.
fn top(words: &[Unit], scores: &[f64], count: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..words.len().min(scores.len())).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.into_iter().take(count).map(|word| words[word].text.clone()).collect()
}

fn measured(evaluation: &Evaluation, explained: &Explained, marked: usize) -> Vec<Measured> {
    let ranked = ranking::rank(evaluation);
    let names = keys(explained.explanations.iter().map(|one| one.method.name));
    let of_method = |(name, values): &(String, Vec<(&'static str, Value)>)| {
        let mut measures: Vec<(String, f64)> = values.iter().flat_map(flat).collect();
        let rank = ranked.iter().find(|ranked| ranked.method == *name);
        measures.extend(rank.map(|ranked| (MEAN_RANK.to_owned(), ranked.mean_rank)));
        // The targets of a method share its usage, so the first one is enough.
        let index = names.iter().position(|other| other == name);
        let one = index.map(|index| &explained.explanations[index]);
        let converged = one.and_then(|one| one.converged());
        measures.extend(
            converged.map(|converged| (CONVERGED.to_owned(), f64::from(u8::from(converged)))),
        );
        let scores = one.and_then(|one| one.scores.first());
        let top = scores.map(|(_, scores)| top(&explained.words, scores, marked));
        let usage = one.map(|one| one.usage).unwrap_or_default();
        Measured {
            name: name.clone(),
            measures,
            top: top.unwrap_or_default(),
            compute: usage.compute,
            forward_rows: usage.forward_rows,
            gradient_rows: usage.gradient_rows,
        }
    };
    evaluation.of_methods.iter().map(of_method).collect()
}

fn flat((name, value): &(&'static str, Value)) -> Vec<(String, f64)> {
    match value {
        Value::Number(number) => vec![((*name).to_owned(), *number)],
        Value::Named(parts) => {
            parts.iter().map(|(part, number)| (format!("{name}.{part}"), *number)).collect()
        }
    }
}

impl Measured {
    pub fn of(&self, measure: &str) -> Option<f64> {
        self.measures.iter().find(|(name, _)| name == measure).map(|(_, value)| *value)
    }
}

/// Returns the mean of a measure of one method over all texts that have it.
pub fn mean_of<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    method: &str,
    measure: &str,
) -> Option<f64> {
    let values = values_of(records, method, measure);
    (!values.is_empty()).then(|| mean(&values))
}

/// Returns the values of a measure of one method, for all texts that have it.
pub fn values_of<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    method: &str,
    measure: &str,
) -> Vec<f64> {
    let of_record = |record: &Record| {
        record.methods.iter().find(|found| found.name == method).and_then(|found| found.of(measure))
    };
    records.into_iter().filter_map(of_record).collect()
}
