//! `explaind words`: reports which words drive each class of a model over a corpus.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Map;

use super::corpus::Corpus;
use super::numbers;
use super::shared::Failure;
use crate::attribution;
use crate::config::{self, Limits};
use crate::explanation::Lexicon;
use crate::report::words::{self, Settings};

#[derive(Args)]
pub struct Words {
    #[command(flatten)]
    corpus: Corpus,
    /// A method of `explaind methods` whose scores have a sign.
    #[arg(long, value_name = "NAME", default_value = "integrated_gradients")]
    method: String,
    /// Groups of words whose scores are added up: a TOML file with a table [lexicon], such as the
    /// configuration.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
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

/// Reads the table `[lexicon]` of a file.
fn read_lexicon(file: &Path) -> Result<Lexicon, Failure> {
    let fail = |error: String| format!("--lexicon: {}: {error}", file.display());
    let groups = config::lexicon_of(file).map_err(fail)?;
    let limit = Limits::default().evidence_terms;
    Ok(Lexicon::new(&groups, limit).map_err(fail)?)
}

pub fn words(flags: &Words) -> Result<(), Failure> {
    let method = attribution::find(&flags.method)?;
    let settings = Settings {
        method,
        options: method.options(&Map::new())?,
        seed: flags.seed,
        min_texts: flags.min_texts,
        lexicon: flags.lexicon.as_deref().map(read_lexicon).transpose()?.unwrap_or_default(),
    };
    let summary = flags
        .corpus
        .run(async |scope, known| words::run(scope, &settings, &flags.out, known).await)?;
    let (json, short) = (words::json(&summary), words::terminal(&summary));
    flags.corpus.write(&flags.out, words::files(&summary), &json, &short)
}
