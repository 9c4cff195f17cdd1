//! The samples of an index on this machine: codes, labels and texts in memory, vectors in memory
//! or in a file.

use std::fs::File;
use std::io;

use super::Sample;
use super::embed::Embedded;
use super::search::{Among, Nearest, Search};
use crate::files;
use crate::nearest::{Codes, Neighbour, Rows, Scan, nearest};

/// Samples with the model's predictions and their vectors.
pub struct Local {
    pub width: usize,
    pub texts: Texts,
    /// `[samples]`
    pub labels: Vec<u32>,
    pub predicted: Vec<u32>,
    pub probabilities: Vec<f64>,
    /// Whether the calibration holds a sample out.
    pub is_held: Vec<bool>,
    pub codes: Codes,
    pub vectors: Vectors,
}

/// Ids and texts of all samples, concatenated in one string.
#[derive(Debug, Default, PartialEq)]
pub struct Texts {
    pub all: String,
    /// End offsets in bytes, `[2 * samples]`: of each sample's id, then of its text.
    pub ends: Vec<u64>,
}

/// Vectors in full precision. Vectors in a file are read on demand: a search needs few of them,
/// and the page cache keeps those that are read often.
pub enum Vectors {
    Memory(Vec<f32>),
    File { file: File, start: u64 },
}

impl Local {
    /// Builds the samples of a new index, whose calibration holds out the rows `held`.
    pub fn new(samples: &[Sample], embedded: Embedded, held: &[u32]) -> Self {
        let Embedded { width, vectors, labels, predicted, probabilities, .. } = embedded;
        Self {
            width,
            texts: Texts::of(samples),
            is_held: marked(held, labels.len()),
            labels,
            predicted,
            probabilities,
            codes: Codes::new(&vectors, width),
            vectors: Vectors::Memory(vectors),
        }
    }

    /// Starts a search for `query`, `[width]`.
    pub fn search<'a>(&'a self, query: &'a [f32]) -> LocalSearch<'a> {
        LocalSearch { local: self, scan: self.codes.scan(query), query }
    }

    /// Starts several searches, whose scans share a pass over the codes.
    pub fn search_all<'a>(&'a self, queries: &[&'a [f32]]) -> Vec<LocalSearch<'a>> {
        let scans = self.codes.scan_all(queries).into_iter();
        let searches = scans.zip(queries);
        searches.map(|(scan, query)| LocalSearch { local: self, scan, query }).collect()
    }

    /// Returns the samples of neighbours, in their order.
    pub fn samples(&self, neighbours: &[Neighbour]) -> Vec<Nearest> {
        let sample = |found: &Neighbour| {
            let (id, text) = self.texts.get(found.row);
            Nearest {
                id: id.to_owned(),
                text: text.to_owned(),
                label: self.labels[found.row] as usize,
                predicted: self.predicted[found.row] as usize,
                probability: self.probabilities[found.row],
                similarity: found.similarity,
            }
        };
        neighbours.iter().map(sample).collect()
    }

    fn is_among(&self, row: usize, among: Among) -> bool {
        let label = self.labels[row] as usize;
        match among {
            Among::All => true,
            Among::Others(other) => row != other,
            Among::Dissenting(to) => label != to || self.labels[row] != self.predicted[row],
            Among::OfLabel(own) => !self.is_held[row] && label == own,
            Among::OfOtherLabels(own) => !self.is_held[row] && label != own,
        }
    }
}

/// Returns `[rows]`, true for the rows in `held`.
pub fn marked(held: &[u32], rows: usize) -> Vec<bool> {
    let mut is_held = vec![false; rows];
    held.iter().for_each(|row| is_held[*row as usize] = true);
    is_held
}

/// A search for one query.
pub struct LocalSearch<'a> {
    local: &'a Local,
    scan: Scan<'a>,
    query: &'a [f32],
}

impl Search for LocalSearch<'_> {
    fn nearest(&self, k: usize, among: Among) -> io::Result<Vec<Neighbour>> {
        let accept = |row| self.local.is_among(row, among);
        nearest(&self.scan, self.query, k, accept, self.local)
    }
}

impl Rows for Local {
    fn read(&self, row: usize, into: &mut [f32]) -> io::Result<()> {
        match &self.vectors {
            Vectors::Memory(vectors) => vectors.as_slice().read(row, into),
            Vectors::File { file, start } => {
                let offset = start + (row * size_of_val(into)) as u64;
                files::read_exact_at(file, bytemuck::cast_slice_mut(into), offset)
            }
        }
    }
}

impl Texts {
    fn of(samples: &[Sample]) -> Self {
        let mut texts = Self::default();
        for part in samples.iter().flat_map(|sample| [&sample.id, &sample.text]) {
            texts.all.push_str(part);
            texts.ends.push(texts.all.len() as u64);
        }
        texts
    }

    /// Returns the id and the text of a sample.
    pub fn get(&self, row: usize) -> (&str, &str) {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = if row == 0 { 0 } else { end(2 * row - 1) };
        let part = |start, end| self.all.get(start..end).unwrap_or_default();
        (part(start, end(2 * row)), part(end(2 * row), end(2 * row + 1)))
    }
}
