//! `explaind evaluate`: methods measured over a data set, with a report.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use explaind::attribution::{self, METHODS, MethodEntry, Options};
use explaind::config::{Config, Log};
use explaind::report::{self, Example, Record, Summary};
use explaind::{app, telemetry};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Map;

use super::model_entry;
use crate::{Failure, QUIETLY, runtime};

#[derive(Args)]
pub struct Evaluate {
    /// The model, [ID=]SOURCE; SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] of the Hugging Face hub.
    #[arg(long)]
    model: String,
    /// Texts: .jsonl with text, text_pair and label, or .tsv with the label last.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Methods of GET /methods, by default all.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    methods: Vec<String>,
    /// The most texts, evenly spread over the file.
    #[arg(long, default_value = "200")]
    limit: NonZeroUsize,
    /// For the methods and measures that sample.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the report goes.
    #[arg(long, value_name = "FOLDER", default_value = "explaind-report")]
    out: PathBuf,
}

pub fn evaluate(flags: &Evaluate) -> Result<(), Failure> {
    let methods = methods(&flags.methods)?;
    let examples = spread(report::read(&flags.data)?, flags.limit.get());
    let entry = model_entry(&flags.model)?;
    let mut config = Config { models: vec![entry], ..Config::default() };
    // Nobody waits for an answer here; all of it may be asked for at once.
    config.limits.request_ms = 3_600_000;
    config.engine.queued_work = u32::MAX as usize;
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: QUIETLY.to_owned(), ..Log::default() })?;
    let (summary, records, failed) = runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        let model = explainer.pool.get(None)?;
        let bar = bar(examples.len());
        let done = || bar.inc(1);
        let (records, failed) =
            report::run(&explainer, &model, &examples, &methods, flags.seed, done).await;
        bar.finish_and_clear();
        let name = flags.data.file_name().unwrap_or_default().to_string_lossy();
        let summary = Summary::new(&model, &name, &records, failed.len(), flags.seed);
        Ok::<_, Failure>((summary, records, failed))
    })?;
    if let (true, Some((_, error))) = (records.is_empty(), failed.into_iter().next()) {
        return Err(error.into());
    }
    tell(&summary, &records, flags)
}

/// The report's files, and its most important lines.
fn tell(summary: &Summary, records: &[Record], flags: &Evaluate) -> Result<(), Failure> {
    let files = report::write(&flags.out, summary, records)?;
    let mut out = io::stdout();
    for sentence in &summary.verdict {
        writeln!(out, "{sentence}")?;
    }
    writeln!(out)?;
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    Ok(())
}

fn methods(names: &[String]) -> Result<Vec<(&'static MethodEntry, Options)>, Failure> {
    let entries: Vec<&'static MethodEntry> = match names {
        [] => METHODS.iter().collect(),
        names => names.iter().map(|name| attribution::find(name)).collect::<Result<_, _>>()?,
    };
    let with_defaults = |entry: &'static MethodEntry| Ok((entry, entry.options(&Map::new())?));
    entries.into_iter().map(with_defaults).collect()
}

/// At most `limit` of them, from the first to the last at even steps.
fn spread(examples: Vec<Example>, limit: usize) -> Vec<Example> {
    let count = examples.len();
    if count <= limit {
        return examples;
    }
    let mut taken = (0..limit).map(|i| i * count / limit).peekable();
    let chosen = |(place, _): &(usize, Example)| taken.next_if_eq(place).is_some();
    examples.into_iter().enumerate().filter(chosen).map(|(_, example)| example).collect()
}

fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    let look = "{wide_bar} {pos} of {len} texts, {eta} left";
    bar.set_style(
        ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}
