//! `explaind batch`: explains every row of a file.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{HumanDuration, ProgressBar};
use serde_json::{Map, Value, json};

use super::asked::{self, Asked};
use super::given;
use super::shared::{FILTER, Failure, bar, model_entry, runtime, stop_signal, without_client};
use crate::app;
use crate::batch::{self, Counts, Form, Opened, Output, Shard, Survey};
use crate::checkpoint::Source;
use crate::config::{Config, Log};
use crate::error::Error;
use crate::http::{self, WorkRuntime};
use crate::telemetry;

#[derive(Args)]
pub struct Batch {
    /// Rows to explain: .jsonl, .csv, .tsv or .parquet with a field text, and optionally id and
    /// text_pair.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The results, one line per row in the same order: .jsonl or .parquet. The same command
    /// continues an interrupted run.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub. By default, the built-in model for the
    /// texts' script.
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Explain only the rows of shard I of N, counted from 0: every Nth row. The output is a file
    /// of the shard, such as results-00000-of-00004.jsonl.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

/// A complete run with lines that have an error.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {lines} lines of {path} have an error", path = .path.display())]
pub struct LinesFailed {
    failed: usize,
    lines: usize,
    path: PathBuf,
}

impl LinesFailed {
    /// The exit status.
    pub const STATUS: u8 = 3;
}

pub fn batch(flags: &Batch) -> Result<(), Failure> {
    let shard = flags.shard.unwrap_or(Shard::WHOLE);
    let path = flags.shard.map_or_else(|| flags.output.clone(), |own| own.path(&flags.output));
    let form = Form::of(&path)?;
    let request = flags.asked.fields(&["inputs", "model", "spans"])?;
    let mut config = Config::default();
    let survey = Survey::of(&flags.input, shard, &config.limits)?;
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&survey.sample).to_string())?,
    };
    config.models = vec![model];
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let Counts { lines, failed } = runtime()?.block_on(async {
        let stop = stop_signal()?;
        tokio::select! {
            counts = run(flags, &config, request, &survey, (&path, form)) => counts,
            () = stop => Err("stopped; the same command continues".into()),
        }
    })?;
    writeln!(io::stdout(), "{}: {lines} lines", path.display())?;
    match failed {
        0 => Ok(()),
        _ => Err(LinesFailed { failed, lines, path }.into()),
    }
}

/// Explains the rows that are not in the output yet.
async fn run(
    flags: &Batch,
    config: &Config,
    request: Map<String, Value>,
    survey: &Survey,
    (path, form): (&Path, Form),
) -> Result<Counts, Failure> {
    let shard = flags.shard.unwrap_or(Shard::WHOLE);
    let explainer = app::explainer(config)?;
    app::load(&explainer, &config.models).await?;
    let model = explainer.pool.get(None)?;
    let identity = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": model.id,
        "revision": model.revision,
        "input": survey.digest,
        "request": request,
        "shard": shard.to_string(),
    });
    let body = example(request, survey);
    let question = http::question(&explainer, body.to_string().as_bytes()).map_err(by_flag)?;
    let batch = Arc::new(batch::Batch::new(explainer, question));
    batch.check().await.map_err(by_flag)?;
    let mut records = batch::records(&flags.input, shard, &config.limits)?;
    match Output::open(path, form, &identity, &mut records)? {
        Opened::Complete(counts) => {
            // A closed standard error is not a failure.
            let _ = writeln!(io::stderr(), "{} is already complete", path.display());
            Ok(counts)
        }
        Opened::Partial(mut output) => {
            let progress = Progress::of(survey.rows, output.counts().lines);
            let work = WorkRuntime::new()?;
            let done = || progress.advance();
            let result = batch.run(&work.handle(), &mut records, &mut output, done).await;
            progress.bar.finish_and_clear();
            result?;
            Ok(output.finish()?)
        }
    }
}

/// Returns a request for a short text, or a pair if the rows are pairs.
fn example(mut request: Map<String, Value>, survey: &Survey) -> Value {
    let pair = survey.is_paired.then_some("text");
    request.insert("inputs".to_owned(), json!({ "text": "text", "text_pair": pair }));
    Value::Object(request)
}

/// A progress bar, or a line per minute if standard error is not a terminal.
struct Progress {
    bar: ProgressBar,
    /// When the last line was written.
    written: Cell<Instant>,
}

impl Progress {
    const INTERVAL: Duration = Duration::from_secs(60);

    /// Begins after `known` of `rows` rows.
    fn of(rows: usize, known: usize) -> Self {
        if known > 0 {
            let _ = writeln!(io::stderr(), "{known} of {rows} rows are already done");
        }
        let bar = bar(rows);
        bar.set_position(known as u64);
        bar.reset_eta();
        Self { bar, written: Cell::new(Instant::now()) }
    }

    fn advance(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.written.get().elapsed() >= Self::INTERVAL {
            self.written.set(Instant::now());
            let (done, left) = (self.bar.position(), HumanDuration(self.bar.eta()));
            let rows = self.bar.length().unwrap_or_default();
            let _ = writeln!(io::stderr(), "{done} of {rows} rows, {left} left");
        }
    }
}

/// Rewrites an error of the request to name the flag that caused it.
fn by_flag(error: Error) -> Error {
    let mut flags = asked::FLAGS.to_vec();
    flags.push(("/", "--options"));
    given::by_flag(error, &flags)
}
