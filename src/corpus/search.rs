//! What a search in an index returns, and among which samples it looks.

use std::io;

use crate::nearest::Neighbour;

/// The samples that a search may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    All,
    /// All but this row.
    Others(usize),
    /// Those with another label than this, and those that the model misclassifies.
    Dissenting(usize),
    /// Those of this label that the calibration does not hold out.
    OfLabel(usize),
    /// Those of other labels that the calibration does not hold out.
    OfOtherLabels(usize),
}

/// Finds the samples that are nearest to one query.
pub trait Search {
    /// Returns the `k` most similar samples, best first; ties are in corpus order. The search is
    /// exact.
    ///
    /// # Errors
    /// Fails if the samples cannot be read.
    fn nearest(&self, k: usize, among: Among) -> io::Result<Vec<Neighbour>>;
}

/// A sample returned by a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    pub id: String,
    pub text: String,
    /// The index of the sample's own label.
    pub label: usize,
    pub predicted: usize,
    /// The probability of the predicted label.
    pub probability: f64,
    pub similarity: f64,
}
