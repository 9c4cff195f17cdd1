//! The texts of a corpus, and running work over them.

use std::collections::HashSet;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::Journal;
use crate::corpus::{Content, CorpusError, Limits, Sample};
use crate::error::{Error, Result};
use crate::explainer::Explainer;
use crate::model::Model;
use crate::text::Input;

/// Number of texts that are run concurrently, to fill the passes.
const CONCURRENT_TEXTS: usize = 4;

/// The distinct texts, or pairs of texts, of a corpus file.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The name of the file.
    pub name: String,
    /// Digest of the whole file.
    pub digest: String,
    pub texts: Vec<String>,
    /// The second text of each.
    pub pairs: Vec<Option<String>>,
    /// The label of each text; empty if it has none.
    pub labels: Vec<String>,
    /// Number of texts in the file that repeat an earlier one. They are left out, because they
    /// would count as independent in intervals.
    pub repeated: usize,
    /// Number of distinct texts in the file.
    pub of: usize,
}

impl Texts {
    /// Reads at most `most` texts, at even distances.
    ///
    /// # Errors
    /// See [`Content::corpus`]; labels are not needed.
    pub fn read(
        path: &Path,
        most: usize,
        limits: Limits,
    ) -> std::result::Result<Self, CorpusError> {
        let corpus = Content::read(path, limits)?.texts(limits)?;
        let all = corpus.samples.len();
        let mut known = HashSet::new();
        let mut is_new =
            |sample: &Sample| known.insert((sample.text.clone(), sample.text_pair.clone()));
        let distinct: Vec<Sample> = corpus.samples.into_iter().filter(&mut is_new).collect();
        let of = distinct.len();
        let samples = subsample(distinct, most).into_iter();
        let (texts, (pairs, labels)) =
            samples.map(|sample| (sample.text, (sample.text_pair, sample.label))).unzip();
        Ok(Self {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            digest: corpus.digest,
            repeated: all - of,
            of,
            texts,
            pairs,
            labels,
        })
    }

    fn input(&self, number: usize) -> Input {
        let (text, text_pair) = (self.texts[number].clone(), self.pairs[number].clone());
        Input { text, text_pair, pointer: "/data".to_owned(), ..Input::default() }
    }
}

/// Selects at most `limit` items at even distances.
pub fn subsample<T>(items: Vec<T>, limit: usize) -> Vec<T> {
    let count = items.len();
    if count <= limit {
        return items;
    }
    let mut indices = (0..limit).map(|i| i * count / limit).peekable();
    let selected = |(index, _): &(usize, T)| indices.next_if_eq(index).is_some();
    items.into_iter().enumerate().filter(selected).map(|(_, item)| item).collect()
}

/// Appends a sentence for each count that is not 0, such as "3 texts were truncated."
pub fn append_counts(text: &mut String, counts: &[(usize, &str)]) {
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {count} {what}.");
    }
}

/// What work is run on, and for how long.
pub struct Scope<'a> {
    pub explainer: &'a Explainer,
    pub model: &'a Arc<Model>,
    pub texts: &'a Texts,
    /// No text is begun after this time.
    pub until: Option<Instant>,
    /// Called after each text.
    pub done: &'a dyn Fn(),
}

/// Why a run has no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Failed(#[from] Error),
    /// The results cannot be written.
    #[error("{path}: {1}", path = .0.display())]
    Write(PathBuf, io::Error),
}

/// The outcome of a run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Texts that failed, with their errors.
    pub failed: Vec<(usize, Error)>,
    /// Number of texts that were not begun in time.
    pub left: usize,
}

/// Statistics over the records of texts.
pub trait Accumulate {
    /// Adds the record of a text. Returns `None`, and adds nothing, if it has another form.
    fn add(&mut self, number: usize, record: &Value) -> Option<()>;

    /// Returns the number of texts.
    fn texts(&self) -> usize;
}

impl Scope<'_> {
    /// Like [`Self::attempt`], but also fails if there is no record because of an error.
    ///
    /// # Errors
    /// Fails if the journal cannot be written, or if no text has a record.
    pub async fn run(
        &self,
        tally: &mut impl Accumulate,
        folder: &Path,
        settings: &Value,
        known: impl FnOnce(usize),
        work: impl AsyncFn(Input) -> Result<Value>,
    ) -> Result<Run, RunError> {
        let run = self.attempt(tally, folder, settings, known, work).await?;
        match run.failed.first() {
            Some((_, error)) if tally.texts() == 0 => Err(error.clone().into()),
            _ => Ok(run),
        }
    }

    /// Adds the record that `work` makes of every text to `tally` and to the journal in `folder`.
    /// Continues from the journal if it has the same model, texts and `settings`, and calls `known`
    /// with the number of its records.
    ///
    /// # Errors
    /// Fails if the journal cannot be written.
    pub async fn attempt(
        &self,
        tally: &mut impl Accumulate,
        folder: &Path,
        settings: &Value,
        known: impl FnOnce(usize),
        work: impl AsyncFn(Input) -> Result<Value>,
    ) -> Result<Run, RunError> {
        let path = folder.join(Journal::NAME);
        let unwritten = |error| RunError::Write(path.clone(), error);
        let identity = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model.id,
            "revision": self.model.revision,
            "data": self.texts.digest,
            "texts": self.texts.texts.len(),
            "settings": settings,
        });
        let add = |number: usize, record: &Value| tally.add(number, record);
        let mut journal = Journal::open(&path, &identity, add).map_err(unwritten)?;
        known(journal.known());
        self.continue_run(&mut journal, tally, work).await.map_err(unwritten)
    }

    /// Runs `work` on every text without a record in the journal.
    async fn continue_run(
        &self,
        journal: &mut Journal,
        tally: &mut impl Accumulate,
        work: impl AsyncFn(Input) -> Result<Value>,
    ) -> io::Result<Run> {
        let is_late = || self.until.is_some_and(|until| Instant::now() >= until);
        let one = async |number: usize| {
            let found = if is_late() { None } else { Some(work(self.texts.input(number)).await) };
            (number, found)
        };
        let new: Vec<usize> =
            (0..self.texts.texts.len()).filter(|number| !journal.has(*number)).collect();
        let mut all = std::pin::pin!(stream::iter(new).map(one).buffered(CONCURRENT_TEXTS));
        let mut run = Run::default();
        while let Some((number, found)) = all.next().await {
            match found {
                None => run.left += 1,
                Some(Err(error)) => run.failed.push((number, error)),
                Some(Ok(result)) => {
                    journal.add(number, &result)?;
                    // Results of this version are in its own form.
                    let _ = tally.add(number, &result);
                }
            }
            (self.done)();
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_at_even_distances() {
        assert_eq!(subsample((0..10).collect(), 4), [0, 2, 5, 7]);
        assert_eq!(subsample((0..3).collect(), 3), [0, 1, 2]);
    }

    #[test]
    fn repeated_texts_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, "a\nb\na\nc\nb\n").unwrap();
        let texts = Texts::read(&path, 2, Limits { rows: 10, bytes: 100 }).unwrap();
        assert_eq!((texts.texts, texts.repeated, texts.of), (vec!["a".into(), "b".into()], 2, 3));
    }

    #[test]
    fn pairs_with_the_same_first_text_are_distinct() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, "text\ttext_pair\na\tx\na\ty\na\tx\nb\t\n").unwrap();
        let texts = Texts::read(&path, 9, Limits { rows: 10, bytes: 100 }).unwrap();
        assert_eq!((texts.texts.len(), texts.repeated), (3, 1));
        assert_eq!(texts.pairs, [Some("x".to_owned()), Some("y".to_owned()), None]);
    }
}
