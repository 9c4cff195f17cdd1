//! `explaind words`: reports which words drive each class of a model over a corpus.

use std::path::PathBuf;

use clap::Args;
use serde_json::Map;

use super::corpus::Corpus;
use super::numbers;
use super::shared::Failure;
use crate::attribution;
use crate::report::words::{self, Settings};

#[derive(Args)]
pub struct Words {
    #[command(flatten)]
    corpus: Corpus,
    /// A method of `explaind methods` whose scores have a sign.
    #[arg(long, value_name = "NAME", default_value = "integrated_gradients")]
    method: String,
    /// Minimum number of texts with a word for an interval.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = numbers::within::<2, 1_000_000>)]
    min_texts: usize,
    /// Random seed; the same seed gives the same report.
    #[arg(long, default_value_t = 0, value_parser = numbers::whole::<u64>)]
    seed: u64,
    /// Folder for the report, and for the records from which an interrupted run continues.
    #[arg(long, value_name = "FOLDER", default_value = "explaind-words")]
    out: PathBuf,
}

pub fn words(flags: &Words) -> Result<(), Failure> {
    let method = attribution::find(&flags.method)?;
    let settings = Settings {
        method,
        options: method.options(&Map::new())?,
        seed: flags.seed,
        min_texts: flags.min_texts,
    };
    let summary = flags
        .corpus
        .run(async |scope, known| words::run(scope, &settings, &flags.out, known).await)?;
    let (json, short) = (words::json(&summary), words::terminal(&summary));
    flags.corpus.write(&flags.out, words::files(&summary), &json, &short)
}
