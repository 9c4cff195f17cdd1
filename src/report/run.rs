//! Explains and measures every example.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::Example;
use crate::attribution::{Granularity, MethodEntry, Options};
use crate::error::{Error, Result};
use crate::evaluation::statistics::mean;
use crate::evaluation::{Agreement, Evaluation, Settings, Value, keys, ranking};
use crate::explainer::Explainer;
use crate::explanation::{Explained, Predicted, Question};
use crate::model::Model;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

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
    /// The methods in the requested order, then the random reference.
    pub methods: Vec<Measured>,
    pub agreement: Vec<Agreement>,
}

/// One method's measurements of one text.
#[derive(Debug, Clone)]
pub struct Measured {
    pub name: String,
    /// Flat: parts are called `measure.part`.
    pub measures: Vec<(String, f64)>,
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
    Ok(record(number, example, explained?))
}

fn record(number: usize, example: &Example, explained: Explained) -> Record {
    let evaluation = explained.evaluation.as_ref();
    let best = match &explained.predicted {
        Predicted::Labels(labels) => labels.first(),
        _ => None,
    };
    let correct = best
        .zip(example.label.as_ref())
        .map(|(best, label)| *label == best.label || *label == best.index.to_string());
    Record {
        number,
        predicted: best.map(|best| best.label.clone()).unwrap_or_default(),
        correct,
        tokens: explained.tokens.len(),
        methods: evaluation.map(|found| measured(found, &explained)).unwrap_or_default(),
        agreement: evaluation.and_then(|found| found.agreement.clone()).unwrap_or_default(),
    }
}

fn measured(evaluation: &Evaluation, explained: &Explained) -> Vec<Measured> {
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
        let usage = one.map(|one| one.usage).unwrap_or_default();
        Measured {
            name: name.clone(),
            measures,
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
pub fn mean_of(records: &[Record], method: &str, measure: &str) -> Option<f64> {
    let values = values_of(records, method, measure);
    (!values.is_empty()).then(|| mean(&values))
}

/// Returns the values of a measure of one method, for all texts that have it.
pub fn values_of(records: &[Record], method: &str, measure: &str) -> Vec<f64> {
    let of_record = |record: &Record| {
        record.methods.iter().find(|found| found.name == method).and_then(|found| found.of(measure))
    };
    records.iter().filter_map(of_record).collect()
}
