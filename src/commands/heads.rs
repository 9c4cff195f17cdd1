//! `explaind heads`: reports which attention heads of a model matter over a corpus.

use std::path::PathBuf;

use clap::Args;

use super::corpus::Corpus;
use super::numbers;
use super::shared::Failure;
use crate::report::heads;

#[derive(Args)]
pub struct Heads {
    #[command(flatten)]
    corpus: Corpus,
    /// Number of the most important heads to switch off, one at a time, to check their importance.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = numbers::within::<0, 1_000>)]
    ablate: usize,
    /// Folder for the report, and for the records from which an interrupted run continues.
    #[arg(long, value_name = "FOLDER", default_value = "explaind-heads")]
    out: PathBuf,
}

pub fn heads(flags: &Heads) -> Result<(), Failure> {
    let summary = flags
        .corpus
        .run(async |scope, known| heads::run(scope, flags.ablate, &flags.out, known).await)?;
    let (json, short) = (heads::json(&summary), heads::terminal(&summary));
    flags.corpus.write(&flags.out, heads::files(&summary), &json, &short)
}
