//! What changes the predictions of a model over a corpus although it should not: terms of
//! identity, case, typos, punctuation, synonyms and places (Ribeiro et al. 2020,
//! arXiv:2005.04118).

mod json;
mod presentation;
mod summary;
mod tally;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{RunError, Scope};
use crate::error::Error;
use crate::evidence::probe::{Probe, Swap, Swaps};
use crate::evidence::{self, Evidence, Query};
use crate::explanation::Question;
use crate::render::evidence::probe::what;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

pub use json::json;
pub use presentation::{document, terminal};
pub use summary::{ChangeRow, PropertyRow, Summary};
use tally::Tally;

/// What is tried.
#[derive(Debug, Clone)]
pub struct Settings {
    pub probe: Probe,
    /// The requested changes, which identify the run.
    pub changes: Value,
}

/// Probes every text and summarises the effects. Continues from the records in `folder`, and calls
/// `known` with their number.
///
/// # Errors
/// Fails if the model does not choose one of several labels, if the records cannot be written, or
/// if no text could be probed.
pub async fn run(
    scope: &Scope<'_>,
    settings: &Settings,
    folder: &Path,
    known: impl FnOnce(usize),
) -> Result<Summary, RunError> {
    let mut tally = Tally::new(scope.model.outputs());
    let identity =
        json!({ "command": "probe", "changes": settings.changes, "seed": settings.probe.seed });
    let work = async |input: Input| swaps(scope, &settings.probe, input).await;
    let run = scope.run(&mut tally, folder, &identity, known, work).await?;
    Ok(Summary::new(scope, settings, &tally, &run))
}

/// Returns the record of one text.
async fn swaps(scope: &Scope<'_>, probe: &Probe, input: Input) -> Result<Value, Error> {
    let question = Question {
        truncate: Truncate::Yes,
        seed: probe.seed,
        ..Question::prediction(Arc::clone(scope.model), vec![input])
    };
    let query = Query { question, kind: probe.clone() };
    let mut results = evidence::answer(scope.explainer, query).await?.results;
    let (_, found) = results.pop().ok_or_else(|| Error::internal("no result"))?;
    Ok(record(&found?))
}

fn record(evidence: &Evidence<Swaps>) -> Value {
    let swap = |swap: &Swap| {
        json!({
            "property": swap.property,
            "change": what(swap).to_lowercase(),
            "text": swap.text,
            "label": swap.verdict.label,
            "shift": swap.probability_shift,
            "shifts": swap.shifts,
        })
    };
    json!({
        "label": evidence.prediction.index,
        "truncated": evidence.truncated,
        "left_out": evidence.found.left_out,
        "text": evidence.text,
        "swaps": evidence.found.swaps.iter().map(swap).collect::<Vec<_>>(),
    })
}

/// Returns the files of the report by name.
pub fn files(summary: &Summary) -> Vec<(String, String)> {
    let mut files = document(summary).files();
    files.push(("report.json".to_owned(), format!("{:#}\n", json(summary))));
    files
}
