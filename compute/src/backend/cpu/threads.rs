//! How many threads one product may use.

use std::ops::Range;

use rayon::prelude::*;

/// Multiply-adds below which a thread's wake-up costs more than it saves.
const WORTH_SHARING: usize = 1 << 20;

/// One thread takes a whole pass where there are rows enough for all; the
/// rayon pool that a pass runs in shares the products of a lone row.
#[derive(Debug, Clone, Copy)]
pub struct Threads(pub usize);

impl Threads {
    /// Threads that `work` multiply-adds are worth, at least one.
    pub fn share(self, work: usize) -> usize {
        self.0.min(work / WORTH_SHARING).max(1)
    }

    /// Runs `part` on `parts` nearly equal ranges of `0..total` at once.
    pub fn split(self, total: usize, parts: usize, part: impl Fn(Range<usize>) + Sync) {
        let border = |i: usize| total * i / parts;
        (0..parts).into_par_iter().for_each(|i| part(border(i)..border(i + 1)));
    }

    /// Runs `each` on all items in one go, or on several at once where all their
    /// work is worth it.
    pub fn each<T: Send>(self, work: usize, items: Vec<T>, each: impl Fn(Vec<T>) + Send + Sync) {
        match self.share(work) {
            1 => each(items),
            _ => items.into_par_iter().for_each(|item| each(vec![item])),
        }
    }
}
