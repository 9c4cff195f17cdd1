//! The rows of one pass, packed one after the other.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::Span;
use crate::blocks::Pooling;
use crate::encoder::{OutputTokens, Removed};
use crate::rows::{Row, Want};

/// Rows sorted by descending number of gradients, then by length. So every backward pass covers a
/// prefix of the packed rows, and rows of equal length are adjacent.
pub struct Packed<'a> {
    pub rows: Vec<&'a Row>,
    /// The index of each packed row in the caller's order.
    pub order: Vec<usize>,
    /// The packed token range of each row.
    pub tokens: Vec<Range<usize>>,
    /// Per row, the tokens whose states the head reads.
    reads: Vec<Arc<[usize]>>,
    /// The range of each row's reads among all reads.
    pub read_ranges: Vec<Range<usize>>,
}

/// Returns the number of backward passes of a row.
pub fn backward_passes(row: &Row) -> usize {
    row.differentiated().len()
}

/// Returns consecutive ranges of these lengths.
fn consecutive(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |length| {
        let start = end;
        end += length;
        start..end
    };
    lengths.map(range).collect()
}

impl<'a> Packed<'a> {
    pub fn new(rows: &[&'a Row], pooling: &Pooling) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&i| (Reverse(backward_passes(rows[i])), rows[i].tokens.len()));
        let rows: Vec<&Row> = order.iter().map(|&i| rows[i]).collect();
        let read = |row: &&Row| match pooling {
            Pooling::Whole(pool) => pool.reads(row.tokens.len()).into(),
            Pooling::Tokens => Arc::clone(&row.reads),
        };
        let reads: Vec<Arc<[usize]>> = rows.iter().map(read).collect();
        Self {
            tokens: consecutive(rows.iter().map(|row| row.tokens.len())),
            read_ranges: consecutive(reads.iter().map(|reads| reads.len())),
            reads,
            rows,
            order,
        }
    }

    /// Returns how many rows have a `k`-th scalar to differentiate: the first ones.
    pub fn with_backward(&self, k: usize) -> usize {
        self.rows.partition_point(|row| backward_passes(row) > k)
    }

    /// Returns all tokens of all rows.
    pub fn all(&self) -> OutputTokens {
        let span =
            |row: usize| Span { kept: self.kept(row), ..Span::whole(self.tokens[row].clone()) };
        OutputTokens::All((0..self.rows.len()).map(span).collect())
    }

    /// Whether row `i` needs its attention weights after the forward pass.
    fn kept(&self, i: usize) -> bool {
        backward_passes(self.rows[i]) > 0 || !self.rows[i].maps.layers.is_empty()
    }

    /// Whether the head reads the states of all tokens.
    pub fn reads_all(&self) -> bool {
        self.reads.iter().zip(&self.tokens).all(|(reads, tokens)| reads.len() == tokens.len())
    }

    /// Returns the tokens that the head reads.
    pub fn read_tokens(&self) -> OutputTokens {
        if self.reads_all() {
            return self.all();
        }
        let span = |row: usize| Span {
            queries: self.read_ranges[row].clone(),
            keys: self.tokens[row].clone(),
            chosen: Some(Arc::clone(&self.reads[row])),
            kept: self.kept(row),
        };
        OutputTokens::Some(self.read_indices().into(), (0..self.rows.len()).map(span).collect())
    }

    /// Returns the packed indices of the tokens that the head reads.
    pub fn read_indices(&self) -> Vec<usize> {
        let of_row = |(reads, tokens): (&Arc<[usize]>, &Range<usize>)| {
            let start = tokens.start;
            reads.iter().map(move |read| start + read).collect::<Vec<_>>()
        };
        self.reads.iter().zip(&self.tokens).flat_map(of_row).collect()
    }

    /// Returns what contributes nothing in a layer.
    pub fn removed(&self, layer: usize) -> Removed {
        let head = |(row, own): (usize, &&Row)| {
            own.without.filter(|without| without.layer == layer).map(|without| (row, without.head))
        };
        let value = |(own, tokens): (&&Row, &Range<usize>)| {
            own.without_value
                .filter(|without| without.layer == layer)
                .map(|without| tokens.start + without.token)
        };
        Removed {
            heads: self.rows.iter().enumerate().filter_map(head).collect(),
            values: self.rows.iter().zip(&self.tokens).filter_map(value).collect(),
        }
    }

    /// Whether the last layer must compute the states of all tokens.
    pub fn needs_all(&self, last: usize) -> bool {
        let maps = |row: &Row| row.maps.layers.contains(&last) && !row.maps.need_only_reads();
        self.rows.iter().any(|row| needs_all_states(row, last) || maps(row))
    }

    /// Returns the positions in row `i` of the tokens that the head reads.
    pub fn reads(&self, i: usize) -> &[usize] {
        &self.reads[i]
    }
}

/// Whether a row reads the states of all tokens after the layer with index `last`, the last one.
/// Otherwise the head reads the only ones that matter: for the others every gradient is zero.
pub fn needs_all_states(row: &Row, last: usize) -> bool {
    match row.want {
        Want::States => true,
        Want::Pooled(state) => state.layer > last,
        Want::Layers(_, None) | Want::Means(..) => row.kept_layers().contains(&(last + 1)),
        _ => false,
    }
}
