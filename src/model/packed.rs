//! Rows of one pass, one after the other.

use std::ops::Range;

use crate::backend::Span;
use crate::encoder::Wanted;
use crate::rows::Row;

/// Rows sorted so that those with more gradients come first, and equal lengths
/// lie together: every walk back covers the first rows of the pass.
pub struct Packed<'a> {
    pub rows: Vec<&'a Row>,
    /// Where each packed row stands in the caller's order.
    pub order: Vec<usize>,
    /// The packed tokens of each row.
    pub tokens: Vec<Range<usize>>,
}

/// Walks back that a row asks for.
pub fn walks(row: &Row) -> usize {
    row.gradient.as_ref().map_or(0, |want| want.scalars.len())
}

impl<'a> Packed<'a> {
    pub fn new(rows: &'a [Row]) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(walks(&rows[i])), rows[i].tokens.len()));
        let mut end = 0;
        let tokens = order
            .iter()
            .map(|&i| {
                let start = end;
                end += rows[i].tokens.len();
                start..end
            })
            .collect();
        Self { rows: order.iter().map(|&i| &rows[i]).collect(), order, tokens }
    }

    /// How many of the first rows have a `k`-th scalar.
    pub fn with_walk(&self, k: usize) -> usize {
        self.rows.partition_point(|row| walks(row) > k)
    }

    /// All states of all rows.
    pub fn all(&self) -> Wanted {
        let span = |tokens: &Range<usize>| Span { queries: tokens.clone(), keys: tokens.clone() };
        Wanted::All(self.tokens.iter().map(span).collect())
    }

    /// The state of each row's first token.
    pub fn firsts(&self) -> Wanted {
        let span =
            |(i, tokens): (usize, &Range<usize>)| Span { queries: i..i + 1, keys: tokens.clone() };
        Wanted::Some(self.places(), self.tokens.iter().enumerate().map(span).collect())
    }

    /// The place of each row's first token.
    pub fn places(&self) -> Vec<usize> {
        self.tokens.iter().map(|tokens| tokens.start).collect()
    }
}
