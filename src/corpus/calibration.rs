//! Typicality of an input among the samples, and conformal credibility of its prediction.

use std::io;

use rayon::prelude::*;

use super::local::Local;
use super::search::{Among, Search};
use crate::nearest::Rows;
use crate::random::Generator;

/// Number of neighbours that typicality and credibility use.
pub const NEIGHBOURS: usize = 5;

/// Maximum number of calibration samples. At most half of a label's samples are drawn.
const MAX_HELD: usize = 10_000;

/// Queries per scan.
const SCAN_BATCH: usize = 16;

/// Calibration samples, drawn at random per label, with their scores.
///
/// Credibility is a class-conditional inductive conformal p-value (Vovk, Gammerman & Shafer
/// 2005, "Algorithmic learning in a random world"; Vovk 2012 for the condition on the class).
/// The nonconformity of a text with a label is the nearest-neighbour measure of that book,
///
/// `a = (mean distance to the nearest samples of the label) / (that of other labels)`,
///
/// with distance 1 - cosine, over [`NEIGHBOURS`] samples outside the calibration set. The p-value
/// of a label is `(1 + #{held samples of the label with a_i >= a}) / (1 + #{held samples of the
/// label})`. If inputs have the distribution of the samples, the true label's p-value is at most
/// e with probability at most e, whatever the model.
///
/// Typicality compares mean similarities to the nearest samples; a held sample is not its own
/// neighbour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// Row numbers of the calibration (held-out) samples.
    held: Vec<u32>,
    /// Nonconformity of each with its own label; [`NONE`] if it is undefined.
    nonconformity: Vec<f64>,
    /// Mean similarity of each to its nearest samples.
    density: Vec<f64>,
    /// Nonconformities per label, ascending.
    of_label: Vec<Vec<f64>>,
    /// Mean similarities, ascending.
    densities: Vec<f64>,
}

/// Marks an undefined nonconformity: no samples of the label, or none of other labels.
const NONE: f64 = -1.;

impl Calibration {
    /// Scores the calibration samples `held` against the others. `progress` receives the number
    /// of newly scored samples and their total number.
    ///
    /// # Errors
    /// Returns errors of reading the vectors.
    pub fn new(
        local: &Local,
        held: Vec<u32>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> io::Result<Self> {
        let compared = |part: &[u32]| {
            let compared = compare_all(local, part);
            progress(part.len(), held.len());
            compared
        };
        let all = held.par_chunks(SCAN_BATCH).map(compared).collect::<io::Result<Vec<_>>>()?;
        let (nonconformity, density) = all.into_iter().flatten().unzip();
        Ok(Self::of_parts((held, nonconformity, density), |row| local.labels[row]))
    }

    /// Restores a calibration from its [`Self::parts`] and the label of each held-out row.
    pub fn of_parts(parts: (Vec<u32>, Vec<f64>, Vec<f64>), label: impl Fn(usize) -> u32) -> Self {
        let (held, nonconformity, density) = parts;
        let mut of_label: Vec<Vec<f64>> = Vec::new();
        for (row, a) in held.iter().zip(&nonconformity).filter(|(_, a)| **a != NONE) {
            let label = label(*row as usize) as usize;
            of_label.resize(of_label.len().max(label + 1), Vec::new());
            of_label[label].push(*a);
        }
        of_label.iter_mut().for_each(|all| all.sort_by(f64::total_cmp));
        let mut densities = density.clone();
        densities.sort_by(f64::total_cmp);
        Self { held, nonconformity, density, of_label, densities }
    }

    /// Returns row numbers, nonconformities and mean similarities of the calibration samples.
    pub fn parts(&self) -> (&[u32], &[f64], &[f64]) {
        (&self.held, &self.nonconformity, &self.density)
    }

    /// Returns the share of calibration samples that are no more typical than a text with these
    /// similarities to its nearest samples; `None` if there is nothing to compare with.
    pub fn typicality(&self, similarities: impl Iterator<Item = f64>) -> Option<f64> {
        let own = mean(similarities)?;
        let below = self.densities.partition_point(|density| *density <= own);
        (!self.densities.is_empty()).then(|| below as f64 / self.densities.len() as f64)
    }

    /// Returns the p-value of `label`; `None` if the label or all others have too few samples.
    ///
    /// # Errors
    /// Returns the errors of the search.
    pub fn credibility(&self, search: &dyn Search, label: usize) -> io::Result<Option<f64>> {
        let Some(of_label) = self.of_label.get(label).filter(|all| !all.is_empty()) else {
            return Ok(None);
        };
        Ok(nonconformity(search, label)?.map(|own| {
            let below = of_label.partition_point(|a| *a < own);
            (of_label.len() - below + 1) as f64 / (of_label.len() + 1) as f64
        }))
    }
}

/// Returns the nonconformity and the mean similarity of each row in `held`.
fn compare_all(local: &Local, held: &[u32]) -> io::Result<Vec<(f64, f64)>> {
    let mut queries = vec![vec![0.; local.width]; held.len()];
    for (row, query) in held.iter().zip(&mut queries) {
        local.read(*row as usize, query)?;
    }
    let together: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
    let searches = local.search_all(&together);
    let compared = held.iter().zip(&searches).map(|(row, search)| {
        let row = *row as usize;
        let own = nonconformity(search, local.labels[row] as usize)?.unwrap_or(NONE);
        let near = search.nearest(NEIGHBOURS, Among::Others(row))?;
        Ok((own, mean(near.iter().map(|one| one.similarity)).unwrap_or_default()))
    });
    compared.collect()
}

/// Returns the nonconformity of a text with `label`; `None` if it is undefined.
fn nonconformity(search: &dyn Search, label: usize) -> io::Result<Option<f64>> {
    let distance = |among| {
        let near = search.nearest(NEIGHBOURS, among)?;
        io::Result::Ok(mean(near.iter().map(|one| (1. - one.similarity).max(0.))))
    };
    let own = distance(Among::OfLabel(label))?;
    let other = distance(Among::OfOtherLabels(label))?;
    Ok(own.zip(other).map(|(own, other)| match (own > 0., other > 0.) {
        (_, true) => own / other,
        (false, false) => 1.,
        (true, false) => f64::MAX,
    }))
}

/// Draws half of each label's samples, at most [`MAX_HELD`] in total, with a fixed seed.
pub fn draw(labels: &[u32]) -> Vec<u32> {
    let count = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let mut of_label: Vec<Vec<u32>> = vec![Vec::new(); count];
    labels.iter().enumerate().for_each(|(row, label)| of_label[*label as usize].push(row as u32));
    let used = of_label.iter().filter(|rows| !rows.is_empty()).count();
    let mut held = Vec::new();
    for (label, rows) in of_label.iter().enumerate() {
        let size = (rows.len() / 2).min(MAX_HELD / used.max(1));
        let chosen = Generator::stream(0, label as u64).choose(size, rows.len());
        held.extend(chosen.into_iter().map(|index| rows[index]));
    }
    held.sort_unstable();
    held
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0., 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests;
