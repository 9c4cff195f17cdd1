//! The right-hand side of a product, laid out in the order it is read.

use super::Isa;
use super::array::{Buffer, padded};

/// Columns that are transposed at a time, so that whole stretches are written.
const BLOCK: usize = 8;

/// A matrix `[depth, columns]`, columns padded to whole lines with zeros, cut
/// into panels of [`Isa::panel`] columns; within a panel, row after row. The
/// last panel may be one line wide.
#[derive(Debug)]
pub struct Panels {
    data: Buffer,
    pub isa: Isa,
    pub depth: usize,
    pub columns: usize,
}

impl Panels {
    /// Packs a matrix to stay. `row(k)` is its `k`-th row, at least `columns`
    /// long.
    pub fn of_rows<'a>(
        isa: Isa,
        depth: usize,
        columns: usize,
        row: impl Fn(usize) -> &'a [f32],
    ) -> Self {
        let data = Buffer::zeros(depth * padded(columns));
        let mut panels = Self { data, isa, depth, columns };
        panels.fill_rows(row);
        panels
    }

    /// The same of the transposed matrix: `column(j)` is the `j`-th column, at
    /// least `depth` long.
    pub fn of_columns<'a>(
        isa: Isa,
        depth: usize,
        columns: usize,
        column: impl Fn(usize) -> &'a [f32],
    ) -> Self {
        let data = Buffer::zeros(depth * padded(columns));
        let mut panels = Self { data, isa, depth, columns };
        panels.fill_columns(column);
        panels
    }

    /// No matrix yet: [`Self::reshape`] makes room for one, again and again.
    pub fn scratch(isa: Isa) -> Self {
        Self { data: Buffer::take(0), isa, depth: 0, columns: 0 }
    }

    /// Room for another matrix, of no particular values.
    pub fn reshape(&mut self, depth: usize, columns: usize) {
        let needed = depth * padded(columns);
        if self.as_slice().len() < needed {
            self.data = Buffer::take(needed);
        }
        (self.depth, self.columns) = (depth, columns);
    }

    pub fn as_slice(&self) -> &[f32] {
        self.data.as_slice()
    }

    /// Where each panel begins in its rows: first column and width.
    fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (panel, end) = (self.isa.panel(), padded(self.columns));
        (0..end).step_by(panel).map(move |first| (first, panel.min(end - first)))
    }

    pub fn fill_rows<'a>(&mut self, row: impl Fn(usize) -> &'a [f32]) {
        let (depth, columns) = (self.depth, self.columns);
        for (first, width) in self.panels() {
            let used = width.min(columns.saturating_sub(first));
            let panel = &mut self.data.as_mut_slice()[first * depth..][..width * depth];
            // All at once: a call for each row's rest would take longer.
            if used < width {
                panel.fill(0.);
            }
            for (k, target) in panel.chunks_exact_mut(width).enumerate().filter(|_| used > 0) {
                target[..used].copy_from_slice(&row(k)[first..first + used]);
            }
        }
    }

    pub fn fill_columns<'a>(&mut self, column: impl Fn(usize) -> &'a [f32]) {
        let (depth, columns) = (self.depth, self.columns);
        for (first, width) in self.panels() {
            let used = width.min(columns.saturating_sub(first));
            let panel = &mut self.data.as_mut_slice()[first * depth..][..width * depth];
            if used < width {
                panel.fill(0.);
            }
            for block in (0..used).step_by(BLOCK) {
                let count = BLOCK.min(used - block);
                let sources: [&[f32]; BLOCK] =
                    std::array::from_fn(|j| &column(first + block + j.min(count - 1))[..depth]);
                for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                    let values = sources.map(|source| source[k]);
                    row[block..block + count].copy_from_slice(&values[..count]);
                }
            }
        }
    }
}
