//! The sequences that an input is run as: the whole text, or each of its windows. The explained
//! scalar is a weighted sum over them, `F = Σ c_p F_p`, and what a view says of it is the same sum.

use std::sync::Arc;

use crate::attribution::Subject;
use crate::passes::Passes;
use crate::rows::Scalar;

/// One sequence.
#[derive(Clone)]
pub struct Part<'a> {
    pub passes: &'a Passes,
    /// Its first scalar is `F_p`; without any, the explained scalar does not depend on the part.
    pub subject: Subject<'a>,
    /// `c_p`
    pub weight: f64,
    /// The positions of its tokens in the whole text.
    pub positions: Arc<[usize]>,
    /// The factor of each of its tokens' states in the mean over the whole text; `None` for equal
    /// parts.
    pub in_mean: Option<Arc<[f64]>>,
}

impl<'a> Part<'a> {
    /// The whole text as one sequence.
    pub fn whole(passes: &'a Passes, subject: Subject<'a>) -> Self {
        let positions = (0..subject.encoding.tokens.len()).collect();
        Self { passes, subject, weight: 1., positions, in_mean: None }
    }

    pub fn scalar(&self) -> Option<&'a Scalar> {
        self.subject.scalars.first()
    }
}

/// Returns `Σ c_p x_p`, row by row. A part's row may be empty.
pub fn sum<'a>(parts: impl Iterator<Item = (f64, &'a Vec<Vec<f64>>)>) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for (weight, rows) in parts {
        sums.resize_with(rows.len(), Vec::new);
        for (sums, row) in sums.iter_mut().zip(rows) {
            sums.resize(sums.len().max(row.len()), 0.);
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    sums
}
