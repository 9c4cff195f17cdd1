//! `explaind evaluate`: measures methods over a data set and writes a report.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::Map;

use super::numbers;
use super::shared::{FILTER, Failure, bar, model_entry, runtime, without_client};
use crate::app;
use crate::attribution::{self, MethodEntry, Options};
use crate::config::{Config, Log};
use crate::report::{self, Record, Summary};
use crate::telemetry;

#[derive(Args)]
pub struct Evaluate {
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub.
    #[arg(long)]
    model: String,
    /// Texts: .jsonl with text, text_pair, label and rationale, or .tsv with the label last.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Methods that `explaind methods` lists; all by default.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    methods: Vec<String>,
    /// Maximum number of texts, at even distances in the file.
    #[arg(long, default_value = "200", value_parser = numbers::positive::<NonZeroUsize>)]
    limit: NonZeroUsize,
    /// Seed of the methods and measures that sample.
    #[arg(long, default_value_t = 0, value_parser = numbers::whole::<u64>)]
    seed: u64,
    /// Folder for the report.
    #[arg(long, value_name = "FOLDER", default_value = "explaind-report")]
    out: PathBuf,
}

pub fn evaluate(flags: &Evaluate) -> Result<(), Failure> {
    let methods = methods(&flags.methods)?;
    let examples = report::subsample(report::read(&flags.data)?, flags.limit.get());
    let entry = model_entry(&flags.model)?;
    let mut config = Config { models: vec![entry], ..Config::default() };
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
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
    write_report(&summary, &records, flags)
}

/// Writes the report and prints its conclusions and file names.
fn write_report(summary: &Summary, records: &[Record], flags: &Evaluate) -> Result<(), Failure> {
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
        [] => attribution::without_pairs().collect(),
        names => names.iter().map(|name| attribution::find(name)).collect::<Result<_, _>>()?,
    };
    let with_defaults = |entry: &'static MethodEntry| Ok((entry, entry.options(&Map::new())?));
    entries.into_iter().map(with_defaults).collect()
}
