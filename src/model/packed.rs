//! Rows of one pass, one after the other.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::Span;
use crate::blocks::Pooling;
use crate::encoder::Wanted;
use crate::rows::{Row, Want};

/// Rows sorted so that those with more gradients come first, and equal lengths
/// lie together: every walk back covers the first rows of the pass.
pub struct Packed<'a> {
    pub rows: Vec<&'a Row>,
    /// Where each packed row stands in the caller's order.
    pub order: Vec<usize>,
    /// The packed tokens of each row.
    pub tokens: Vec<Range<usize>>,
    /// Which of its tokens' states the head reads, of each row.
    reads: Vec<Arc<[usize]>>,
    /// Each row's part of all reads.
    pub read: Vec<Range<usize>>,
}

/// Walks back that a row asks for.
pub fn walks(row: &Row) -> usize {
    row.differentiated().len()
}

/// Ranges of these lengths, one after the other.
fn side_by_side(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |length| {
        let start = end;
        end += length;
        start..end
    };
    lengths.map(range).collect()
}

impl<'a> Packed<'a> {
    pub fn new(rows: &'a [Row], pooling: &Pooling) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&i| (Reverse(walks(&rows[i])), rows[i].tokens.len()));
        let rows: Vec<&Row> = order.iter().map(|&i| &rows[i]).collect();
        let read = |row: &&Row| match pooling {
            Pooling::Whole(pool) => pool.reads(row.tokens.len()).into(),
            Pooling::Tokens => Arc::clone(&row.reads),
        };
        let reads: Vec<Arc<[usize]>> = rows.iter().map(read).collect();
        Self {
            tokens: side_by_side(rows.iter().map(|row| row.tokens.len())),
            read: side_by_side(reads.iter().map(|reads| reads.len())),
            reads,
            rows,
            order,
        }
    }

    /// How many of the first rows have a `k`-th scalar.
    pub fn with_walk(&self, k: usize) -> usize {
        self.rows.partition_point(|row| walks(row) > k)
    }

    /// All states of all rows.
    pub fn all(&self) -> Wanted {
        Wanted::All(self.tokens.iter().cloned().map(Span::whole).collect())
    }

    /// Whether the head reads the states of all tokens.
    pub fn reads_all(&self) -> bool {
        self.reads.iter().zip(&self.tokens).all(|(reads, tokens)| reads.len() == tokens.len())
    }

    /// The states that the head reads.
    pub fn read(&self) -> Wanted {
        if self.reads_all() {
            return self.all();
        }
        let span = |row: usize| Span {
            queries: self.read[row].clone(),
            keys: self.tokens[row].clone(),
            chosen: Some(Arc::clone(&self.reads[row])),
        };
        Wanted::Some(self.places().into(), (0..self.rows.len()).map(span).collect())
    }

    /// The packed places of the states that the head reads.
    pub fn places(&self) -> Vec<usize> {
        let of_row = |(reads, tokens): (&Arc<[usize]>, &Range<usize>)| {
            let start = tokens.start;
            reads.iter().map(move |read| start + read).collect::<Vec<_>>()
        };
        self.reads.iter().zip(&self.tokens).flat_map(of_row).collect()
    }

    /// Whether the last layer must give every state.
    pub fn needs_all(&self, last: usize) -> bool {
        let needs =
            |row: &&Row| row.maps.layers.contains(&last) || matches!(row.want, Want::States);
        self.rows.iter().any(needs)
    }
}
