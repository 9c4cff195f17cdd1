//! What the commands that report over the texts of a corpus share.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::shared::{FILTER, Failure, bar, model_entry, runtime, without_client};
use super::{given, numbers};
use crate::app;
use crate::checkpoint::Source;
use crate::config::{Config, Log};
use crate::corpus::Limits;
use crate::report::{self, RunError, Scope, Texts};
use crate::telemetry;

#[derive(Args)]
pub struct Corpus {
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub. By default, the built-in model for the
    /// texts' script.
    #[arg(long)]
    model: Option<String>,
    /// Texts: .jsonl, .tsv, .csv or .parquet with a field text, and text_pair for models that read
    /// two texts; labels are not needed.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Maximum number of texts, at even distances in the file.
    #[arg(long, default_value = "1000", value_parser = numbers::positive::<NonZeroUsize>)]
    limit: NonZeroUsize,
    /// Starts no text after this time, and reports on those that are done. The same command
    /// continues with the others.
    #[arg(long, value_name = "MS", value_parser = numbers::whole::<u64>)]
    budget_ms: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Corpus {
    /// Loads the texts and the model and runs `work`, which calls its second argument with the
    /// number of texts that are done already, each time that it starts to go through the texts.
    pub fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Scope<'_>, &dyn Fn(usize)) -> Result<T, RunError>,
    ) -> Result<T, Failure> {
        let mut config = Config::default();
        let limits = Limits { rows: config.limits.corpus_rows, bytes: config.limits.corpus_bytes };
        let texts = Texts::read(&self.data, self.limit.get(), limits)?;
        let model = match &self.model {
            Some(model) => model_entry(model)?,
            None => model_entry(&Source::for_text(&texts.texts.join("\n")).to_string())?,
        };
        config.models = vec![model];
        without_client(&mut config);
        config.check()?;
        let log = Log { filter: FILTER.to_owned(), ..Log::default() };
        let _logging = telemetry::start_logging(&log)?;
        runtime()?.block_on(async {
            let explainer = app::explainer(&config)?;
            app::load(&explainer, &config.models).await?;
            let model = explainer.pool.get(None)?;
            let (count, start) = (texts.texts.len(), Instant::now());
            let bar = bar(count);
            let known = |known: usize| {
                if known > 0 {
                    // A closed standard error is not a failure.
                    let _ = writeln!(io::stderr(), "{known} of {count} texts are already done");
                }
                bar.set_position(known as u64);
                bar.reset_eta();
            };
            let scope = Scope {
                explainer: &explainer,
                model: &model,
                texts: &texts,
                until: self.budget_ms.and_then(|ms| start.checked_add(Duration::from_millis(ms))),
                done: &|| bar.inc(1),
            };
            let result = work(&scope, &known).await;
            bar.finish_and_clear();
            result.map_err(by_flag)
        })
    }

    /// Writes the files of a report, and prints it as JSON, or shortly with the names of the files.
    pub fn write(
        &self,
        folder: &Path,
        files: Vec<(String, String)>,
        json: &Value,
        short: &str,
    ) -> Result<(), Failure> {
        let files = report::write_files(folder, files)?;
        let mut out = io::stdout();
        if self.json {
            writeln!(out, "{json}")?;
            return Ok(());
        }
        writeln!(out, "{short}")?;
        for file in files {
            writeln!(out, "{}", file.display())?;
        }
        Ok(())
    }
}

/// Rewrites the error of a text or a model to name the flag that it was set from.
fn by_flag(error: RunError) -> Failure {
    let flags = [
        ("/data", "--data"),
        ("/model", "--model"),
        ("/methods", "--method"),
        ("/properties", "--properties"),
        ("/groups", "--groups"),
        ("/pairs", "--pair"),
    ];
    match error {
        RunError::Failed(error) => given::by_flag(error, &flags).into(),
        RunError::Write(..) => error.into(),
    }
}
