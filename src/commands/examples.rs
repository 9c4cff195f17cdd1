//! `explaind examples`: lists the samples of a corpus that are most similar to a text.

use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::{Args, ColorChoice};
use serde_json::json;

use super::shared::{FILTER, Failure, bar, model_entry, runtime, without_client};
use super::{given, numbers};
use crate::app;
use crate::checkpoint::Source;
use crate::choice::Choice;
use crate::config::{Config, CorpusEntry, Log};
use crate::corpus::{Similarity, Store};
use crate::engine::corpora::Progress;
use crate::error::Error;
use crate::evidence::{self, Answer, examples::Found};
use crate::explainer::Explainer;
use crate::http;
use crate::http::evidence::examples::ExamplesRequest;
use crate::rows::StatePooling;
use crate::telemetry;

/// The id of the corpus that --data names.
const ID: &str = "data";

#[derive(Args)]
pub struct Examples {
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub. By default, the built-in model for the
    /// text's script.
    #[arg(long)]
    model: Option<String>,
    /// Labelled texts to compare with (.jsonl, .tsv, .csv or .parquet). By default, the corpus of
    /// the built-in model. They are embedded once, and the result is stored next to the file.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Folder or postgres:// URL for the embedded samples; the file's folder by default.
    #[arg(long, value_name = "FOLDER", requires = "data")]
    store: Option<Store>,
    /// Layer whose hidden states are compared: 0 is the embedding block, -1 the last layer.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, requires = "data", value_parser = numbers::whole::<i64>)]
    layer: i64,
    /// Number of neighbours to list.
    #[arg(long, short, default_value_t = evidence::examples::NEIGHBOURS, value_parser = numbers::whole::<usize>)]
    k: usize,
    /// Similarity measure.
    #[arg(long, default_value = Similarity::Cosine.name(), value_parser = PossibleValuesParser::new(Similarity::NAMES))]
    similarity: String,
    /// Print the JSON response of POST /examples.
    #[arg(long)]
    json: bool,
    /// Write the result to this file as an HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// When to colour headings. By default if the terminal supports it and NO_COLOR is unset.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
    /// The text to explain. Read from standard input if it is - or missing in a pipe.
    text: Option<String>,
}

pub fn examples(flags: &Examples) -> Result<(), Failure> {
    let answer = answer(flags)?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(by_flag(error.clone()).into());
    }
    let html = flags.html.as_deref();
    let to = given::Destination { json: flags.json, html, color: flags.color };
    given::write_evidence(answer, "Examples", &to)
}

fn answer(flags: &Examples) -> Result<Answer<Found>, Failure> {
    let text = given::text("examples", flags.text.as_deref())?;
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&text).to_string())?,
    };
    let corpora = flags.data.iter().map(|path| CorpusEntry {
        id: ID.to_owned(),
        path: path.clone(),
        model: model.id.clone(),
        layer: flags.layer,
        pooling: StatePooling::Mean,
        store: flags.store.clone(),
    });
    let mut config =
        Config { corpora: corpora.collect(), models: vec![model], ..Config::default() };
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let body = json!({
        "inputs": text, "k": flags.k, "similarity": flags.similarity,
        "corpus": flags.data.is_some().then_some(ID),
    });
    runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        app::serve_corpora(&explainer, &[], &config.corpora);
        wait_for_corpus(&explainer, flags).await?;
        let query =
            http::evidence_query::<ExamplesRequest>(&explainer, body.to_string().as_bytes());
        let query = query.map_err(by_flag)?;
        Ok(evidence::answer(&explainer, query).await.map_err(by_flag)?)
    })
}

/// Waits until the corpus is embedded, and shows a progress bar.
async fn wait_for_corpus(explainer: &Explainer, flags: &Examples) -> Result<(), Failure> {
    let model = explainer.pool.get(None)?;
    let corpora = Arc::clone(&explainer.corpora);
    let corpus = corpora.get(flags.data.is_some().then_some(ID), &model)?;
    let similarity = Similarity::named(&flags.similarity).unwrap_or(Similarity::Cosine);
    let mut progress = corpora.begin(&corpus, &model, similarity)?;
    let bar = bar(0);
    loop {
        // Clone, because the borrow must not be held across an await.
        let now = progress.borrow_and_update().clone();
        let Progress::Building { done, of } = now else { break };
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        if progress.changed().await.is_err() {
            break;
        }
    }
    bar.finish_and_clear();
    let end = progress.borrow().clone();
    match end {
        Progress::Failed(error) => Err(error.into()),
        Progress::Building { .. } | Progress::Ready(_) => Ok(()),
    }
}

/// Rewrites a request error to name the flag that the field was set from.
fn by_flag(error: Error) -> Error {
    given::by_flag(error, &[("/k", "--k"), ("/corpus", "--data"), ("/inputs", "the text")])
}
