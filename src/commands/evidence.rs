//! `explaind rules` and `explaind counterfactuals`: evidence for one text, in the terminal.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, ColorChoice};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::shared::{FILTER, Failure, bar, model_entry, runtime, without_client};
use super::{given, numbers};
use crate::app;
use crate::checkpoint::Source;
use crate::choice::Choice;
use crate::config::{Config, Log};
use crate::error::Error;
use crate::evidence::{self, Kind, global_tree};
use crate::http;
use crate::http::evidence::IntoQuery;
use crate::http::evidence::counterfactuals::CounterfactualsRequest;
use crate::http::evidence::rules::{RuleKind, RulesRequest};
use crate::render::evidence::global_tree as shown;
use crate::report;
use crate::telemetry;

/// The arguments of all evidence commands.
#[derive(Args)]
pub struct Common {
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub. By default, the built-in model for the
    /// text's script.
    #[arg(long)]
    model: Option<String>,
    /// A masked language model that proposes words, as [ID=]SOURCE.
    #[arg(long, value_name = "MODEL")]
    fill: Option<String>,
    /// Random seed; the same seed gives the same result.
    #[arg(long, default_value_t = 0, value_parser = numbers::whole::<u64>)]
    seed: u64,
    /// Print the JSON response of the HTTP route.
    #[arg(long)]
    json: bool,
    /// Also write an HTML page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// When to use bold type. By default if the terminal supports it and NO_COLOR is unset.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
    /// The text to explain. Read from standard input if it is - or missing in a pipe.
    text: Option<String>,
}

#[derive(Args)]
pub struct Rules {
    /// The kind of rule: the words that keep the prediction, or a decision tree.
    #[arg(long, default_value = RuleKind::Anchor.name(), value_parser = PossibleValuesParser::new(RuleKind::NAMES))]
    kind: String,
    /// The share of texts with these words that must keep the prediction, from 0.5 to 1.
    #[arg(long, value_name = "SHARE", value_parser = numbers::decimal)]
    precision: Option<f64>,
    /// Fits a tree to the model's predictions for the texts of this file (.jsonl with a field text,
    /// or .tsv), and evaluates it on a held-out fifth of them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "precision", "fill", "html", "text"])]
    data: Option<PathBuf>,
    /// With --data: maximum number of words per path.
    #[arg(long, default_value_t = 6, value_parser = numbers::within::<1, 12>)]
    depth: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct Counterfactuals {
    /// Maximum number of counterfactuals.
    #[arg(short, long, default_value_t = 3, value_parser = numbers::whole::<usize>)]
    n: usize,
    /// The label to reach. By default, any label except the predicted one.
    #[arg(long, value_name = "LABEL")]
    to: Option<String>,
    /// Words that must not change, separated by commas; may be repeated.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    keep: Vec<String>,
    #[command(flatten)]
    common: Common,
}

pub fn rules(flags: Rules) -> Result<(), Failure> {
    if let Some(data) = &flags.data {
        return whole_model(data, flags.depth, &flags.common);
    }
    let body = json!({ "kind": flags.kind, "precision": flags.precision });
    show::<RulesRequest>("rules", flags.common, body)
}

pub fn counterfactuals(flags: Counterfactuals) -> Result<(), Failure> {
    let body = json!({ "n": flags.n, "to": flags.to, "keep": flags.keep });
    show::<CounterfactualsRequest>("counterfactuals", flags.common, body)
}

/// Finds evidence for a text and writes it in the requested formats.
fn show<R: IntoQuery + DeserializeOwned>(
    command: &str,
    flags: Common,
    mut body: Value,
) -> Result<(), Failure> {
    let text = given::text(command, flags.text.as_deref())?;
    let mut models = vec![match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&text).to_string())?,
    }];
    if let Some(filler) = &flags.fill {
        let filler = model_entry(filler)?;
        body["fill"] = json!({ "model": filler.id });
        models.push(filler);
    }
    body["inputs"] = json!(text);
    body["seed"] = json!(flags.seed);
    let config = Config { models, ..Config::default() };
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let (answer, title) = runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        let request =
            http::evidence_query::<R>(&explainer, body.to_string().as_bytes()).map_err(by_flag)?;
        let title = request.kind.entry().name;
        let answer = evidence::answer(&explainer, request).await.map_err(by_flag)?;
        Ok::<_, Failure>((answer, title))
    })?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(by_flag(error.clone()).into());
    }
    let html = flags.html.as_deref();
    let to = given::Destination { json: flags.json, html, color: flags.color };
    given::write_evidence(answer, title, &to)
}

/// Fits a surrogate tree of a model to the texts of a file and prints it.
fn whole_model(data: &Path, depth: usize, flags: &Common) -> Result<(), Failure> {
    let texts: Vec<String> = report::read(data)?.into_iter().map(|example| example.text).collect();
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&texts.join("\n")).to_string())?,
    };
    let mut config = Config { models: vec![model], ..Config::default() };
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let (tree, model) = runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        let model = explainer.pool.get(None)?;
        let bar = bar(texts.len());
        let done = |count| bar.inc(count as u64);
        let tree = global_tree::learn(&explainer, &model, &texts, depth, flags.seed, done).await;
        bar.finish_and_clear();
        Ok::<_, Failure>((tree?, model))
    })?;
    let mut out = io::stdout();
    if flags.json {
        writeln!(out, "{}", serde_json::to_string(&shown::json(&tree, &model))?)?;
    } else {
        write!(out, "{}", shown::terminal(&tree, given::colours(flags.color), &model))?;
    }
    Ok(())
}

/// Rewrites a request error to name the flag that the field was set from.
fn by_flag(error: Error) -> Error {
    let flags = [
        ("/precision", "--precision"),
        ("/keep", "--keep"),
        ("/fill", "--fill"),
        ("/to", "--to"),
        ("/n", "--n"),
        ("/inputs", "the text"),
    ];
    given::by_flag(error, &flags)
}
