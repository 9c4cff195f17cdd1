//! How many threads one matrix product may use.

use std::ops::Range;

use rayon::prelude::*;

/// Multiply-adds below which waking a thread costs more than it saves.
const MIN_WORK: usize = 1 << 20;

/// The maximum number of threads per product. Usually each thread runs a whole pass; with too few
/// rows, the threads of the pass's rayon pool share its products.
#[derive(Debug, Clone, Copy)]
pub struct Threads(pub usize);

impl Threads {
    /// Returns the number of threads for `work` multiply-adds, at least one.
    pub fn count_for(self, work: usize) -> usize {
        self.0.min(work / MIN_WORK).max(1)
    }

    /// Runs `part` in parallel on `parts` nearly equal ranges of `0..total`.
    pub fn split(self, total: usize, parts: usize, part: impl Fn(Range<usize>) + Sync) {
        let bound = |i: usize| total * i / parts;
        (0..parts).into_par_iter().for_each(|i| part(bound(i)..bound(i + 1)));
    }

    /// Runs `each` on all items at once, or on single items in parallel if `work` is worth it.
    pub fn each<T: Send>(self, work: usize, items: Vec<T>, each: impl Fn(Vec<T>) + Send + Sync) {
        match self.count_for(work) {
            1 => each(items),
            _ => items.into_par_iter().for_each(|item| each(vec![item])),
        }
    }
}
