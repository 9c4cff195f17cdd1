//! The right-hand side of a product, laid out in the order it is read.

use super::Isa;
use super::array::{Buffer, LINE, padded};

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

    /// A matrix that lives for one product, in memory used before.
    pub fn scratch(isa: Isa, depth: usize, columns: usize) -> Self {
        let mut data = Buffer::take(depth * padded(columns));
        if !columns.is_multiple_of(LINE) {
            data.as_mut_slice().fill(0.);
        }
        Self { data, isa, depth, columns }
    }

    /// Where each panel begins in its rows: first column and width.
    pub fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (panel, end) = (self.isa.panel(), padded(self.columns));
        (0..end).step_by(panel).map(move |first| (first, panel.min(end - first)))
    }

    /// The panel that begins at column `first`, `[depth, width]`.
    pub fn panel(&self, first: usize, width: usize) -> &[f32] {
        &self.data.as_slice()[first * self.depth..][..width * self.depth]
    }

    pub fn fill_rows<'a>(&mut self, row: impl Fn(usize) -> &'a [f32]) {
        let (depth, columns) = (self.depth, self.columns);
        for (first, width) in self.panels() {
            let used = width.min(columns - first.min(columns));
            let panel = &mut self.data.as_mut_slice()[first * depth..][..width * depth];
            for (k, target) in panel.chunks_exact_mut(width).enumerate() {
                target[..used].copy_from_slice(&row(k)[first..first + used]);
            }
        }
    }

    pub fn fill_columns<'a>(&mut self, column: impl Fn(usize) -> &'a [f32]) {
        let (depth, columns) = (self.depth, self.columns);
        for (first, width) in self.panels() {
            let used = width.min(columns - first.min(columns));
            let panel = &mut self.data.as_mut_slice()[first * depth..][..width * depth];
            for j in 0..used {
                let column = &column(first + j)[..depth];
                for (target, value) in panel[j..].iter_mut().step_by(width).zip(column) {
                    *target = *value;
                }
            }
        }
    }
}
