//! A searchable index of an embedded corpus.

use std::io;

use super::calibration::{self, Calibration, NEIGHBOURS};
use super::embed::Embedded;
use super::frequencies::Frequencies;
use super::local::Local;
use super::search::{Among, Nearest, Search};
use super::states::Representation;
use super::{Corpus, CorpusError, Sample};
use crate::choice::Choice;
use crate::nearest::Neighbour;

/// Identifies an index: the model, corpus and representation that it was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The model's revision: the digest of its files.
    pub revision: String,
    /// The digest of the corpus.
    pub digest: String,
    pub representation: Representation,
}

impl Key {
    /// Formats the key as text, one part per line. Stored indexes have it.
    pub fn describe(&self) -> String {
        let Self { revision, digest, representation } = self;
        let representation = match representation {
            Representation::State(state) => {
                format!("cosine, layer {}, {}", state.layer, state.pooling.name())
            }
            Representation::Gradient => "gradient".to_owned(),
        };
        format!("model {revision}\ncorpus {digest}\nsimilarity {representation}")
    }
}

/// Samples with the model's predictions, their vectors and the calibration.
pub struct Index {
    pub key: Key,
    pub frequencies: Frequencies,
    pub(super) calibration: Calibration,
    pub(super) samples: Samples,
}

/// Where the samples are.
pub enum Samples {
    Local(Local),
    #[cfg(feature = "pgvector")]
    Database(super::database::Table),
}

/// The query of a search.
#[derive(Debug, Clone, Copy)]
pub struct SearchQuery<'a> {
    /// The vector of the input, `[width]`.
    pub vector: &'a [f32],
    /// The index of the label that the model predicts for the input.
    pub predicted: usize,
    pub neighbours: usize,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Most similar first; ties are in corpus order.
    pub neighbours: Vec<Nearest>,
    /// The share of `neighbours` whose label is the input's predicted label.
    pub agreement: f64,
    /// The nearest sample that has another label or that the model misclassifies.
    pub dissent: Option<Nearest>,
    /// The share of calibration samples that are no closer to their neighbours than the input.
    pub typicality: Option<f64>,
    /// The conformal p-value of the predicted label.
    pub credibility: Option<f64>,
}

impl Index {
    /// Builds an index from embedded samples. `progress` receives the number of newly processed
    /// calibration samples and their total number.
    ///
    /// # Errors
    /// Returns the errors of the calibration.
    pub fn new(
        key: Key,
        samples: &[Sample],
        mut embedded: Embedded,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, CorpusError> {
        let frequencies = std::mem::take(&mut embedded.frequencies);
        let held = calibration::draw(&embedded.labels);
        let local = Local::new(samples, embedded, &held);
        let calibration = Calibration::new(&local, held, progress);
        let calibration = calibration.map_err(|error| CorpusError(error.to_string()))?;
        Ok(Self { key, frequencies, calibration, samples: Samples::Local(local) })
    }

    pub fn len(&self) -> usize {
        match &self.samples {
            Samples::Local(local) => local.labels.len(),
            #[cfg(feature = "pgvector")]
            Samples::Database(table) => table.rows,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of a vector.
    pub fn width(&self) -> usize {
        match &self.samples {
            Samples::Local(local) => local.width,
            #[cfg(feature = "pgvector")]
            Samples::Database(table) => table.width,
        }
    }

    /// Searches all samples.
    ///
    /// # Errors
    /// Fails if the file or the database with the samples cannot be read.
    pub fn find(&self, query: SearchQuery<'_>) -> io::Result<Found> {
        let search = self.search(query.vector);
        let near = search.nearest(query.neighbours.max(NEIGHBOURS), Among::All)?;
        let dissent = search.nearest(1, Among::Dissenting(query.predicted))?;
        let shown = self.samples(&near[..near.len().min(query.neighbours)])?;
        let agreeing = shown.iter().filter(|neighbour| neighbour.label == query.predicted).count();
        let similarities = near.iter().take(NEIGHBOURS).map(|neighbour| neighbour.similarity);
        Ok(Found {
            agreement: agreeing as f64 / shown.len().max(1) as f64,
            neighbours: shown,
            dissent: self.samples(&dissent)?.pop(),
            typicality: self.calibration.typicality(similarities),
            credibility: self.calibration.credibility(&*search, query.predicted)?,
        })
    }

    /// Returns the conformal p-value of `label` for a text with this vector; `None` if there are
    /// no samples to compare with.
    ///
    /// # Errors
    /// See [`Self::find`].
    pub fn credibility(&self, vector: &[f32], label: usize) -> io::Result<Option<f64>> {
        self.calibration.credibility(&*self.search(vector), label)
    }

    /// Returns the samples if they are on this machine.
    pub(super) fn local(&self) -> Option<&Local> {
        match &self.samples {
            Samples::Local(local) => Some(local),
            #[cfg(feature = "pgvector")]
            Samples::Database(_) => None,
        }
    }

    fn search<'a>(&'a self, vector: &'a [f32]) -> Box<dyn Search + 'a> {
        match &self.samples {
            Samples::Local(local) => Box::new(local.search(vector)),
            #[cfg(feature = "pgvector")]
            Samples::Database(table) => Box::new(table.search(vector)),
        }
    }

    fn samples(&self, neighbours: &[Neighbour]) -> io::Result<Vec<Nearest>> {
        match &self.samples {
            Samples::Local(local) => Ok(local.samples(neighbours)),
            #[cfg(feature = "pgvector")]
            Samples::Database(table) => table.samples(neighbours),
        }
    }
}

impl Corpus {
    /// Returns the key of an index of this corpus.
    pub fn key(&self, revision: &str, representation: Representation) -> Key {
        Key { revision: revision.to_owned(), digest: self.digest.clone(), representation }
    }
}
