//! `explaind probe`: reports what changes the predictions of a model over a corpus although it
//! should not.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::corpus::Corpus;
use super::numbers;
use super::shared::Failure;
use crate::choice::Choice;
use crate::evidence::identity::Group;
use crate::evidence::probe::{Effects, Probe, Property};
use crate::http;
use crate::http::evidence::probe::ProbeRequest;
use crate::report::Scope;
use crate::report::probe::{self, Settings};

#[derive(Args)]
pub struct Probes {
    #[command(flatten)]
    corpus: Corpus,
    /// What to change; everything by default, unless --groups or --pair is given.
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = PossibleValuesParser::new(Property::NAMES))]
    properties: Option<Vec<String>>,
    /// Groups of terms of identity; all by default.
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = PossibleValuesParser::new(Group::NAMES))]
    groups: Option<Vec<String>>,
    /// Two words or phrases that are swapped for each other; may be repeated.
    #[arg(long, value_name = "A=B", value_parser = pair)]
    pair: Vec<[String; 2]>,
    /// Random seed; the same seed gives the same report.
    #[arg(long, default_value_t = 0, value_parser = numbers::whole::<u64>)]
    seed: u64,
    /// Folder for the report, and for the records from which an interrupted run continues.
    #[arg(long, value_name = "FOLDER", default_value = "explaind-probe")]
    out: PathBuf,
}

pub fn probes(flags: &Probes) -> Result<(), Failure> {
    let summary = flags.corpus.run(async |scope, known| {
        let settings = settings(scope, flags)?;
        probe::run(scope, &settings, &flags.out, known).await
    })?;
    let (json, short) = (probe::json(&summary), probe::terminal(&summary));
    flags.corpus.write(&flags.out, probe::files(&summary), &json, &short)
}

/// Reads the flags as a request of POST /probe, so that both mean the same.
fn settings(scope: &Scope<'_>, flags: &Probes) -> Result<Settings, crate::error::Error> {
    let all = flags.properties.is_none() && flags.groups.is_none() && flags.pair.is_empty();
    let changes = json!({
        "properties": if all { json!(Property::NAMES) } else { json!(flags.properties) },
        "groups": flags.groups,
        "pairs": (!flags.pair.is_empty()).then_some(&flags.pair),
    });
    let mut body = changes.clone();
    body["inputs"] = Value::from("any");
    body["seed"] = json!(flags.seed);
    let request =
        http::evidence_query::<ProbeRequest>(scope.explainer, body.to_string().as_bytes())?;
    // Scores would take ten times the time.
    let probe = Probe { effects: Effects::Prediction, ..request.kind };
    Ok(Settings { probe, changes })
}

/// Parses `A=B`.
fn pair(text: &str) -> Result<[String; 2], String> {
    match text.split_once('=') {
        Some((a, b)) => Ok([a.to_owned(), b.to_owned()]),
        None => Err("a pair is A=B, such as film=movie".to_owned()),
    }
}
