//! The right-hand side of a matrix product, packed in the order in which it is read.

use super::Isa;
use super::array::{Buffer, padded};

/// Number of columns to transpose at a time, for contiguous writes.
const BLOCK: usize = 8;

/// A matrix `[depth, columns]`, its columns zero-padded to whole lines and cut into row-major
/// panels of [`Isa::panel`] columns. The last panel may be one line wide.
#[derive(Debug)]
pub struct Panels {
    data: Buffer,
    pub isa: Isa,
    pub depth: usize,
    pub columns: usize,
}

impl Panels {
    /// Packs a long-lived matrix. `row(k)` is its `k`-th row, of at least `columns` numbers.
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

    /// Packs a long-lived matrix by columns: `column(j)` is the `j`-th, of at least `depth`
    /// numbers.
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

    /// An empty buffer, to be reused through [`Self::reshape`].
    pub fn scratch(isa: Isa) -> Self {
        Self { data: Buffer::take(0), isa, depth: 0, columns: 0 }
    }

    /// Makes room for another matrix; its values are unspecified.
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

    /// Iterates over the panels: first column and width.
    fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (panel, end) = (self.isa.panel(), padded(self.columns));
        (0..end).step_by(panel).map(move |first| (first, panel.min(end - first)))
    }

    /// Returns a row, without its padding.
    pub fn row(&self, k: usize) -> impl Iterator<Item = f32> {
        let of_panel = move |(first, width): (usize, usize)| {
            &self.as_slice()[first * self.depth + k * width..][..width]
        };
        self.panels().flat_map(of_panel).copied().take(self.columns)
    }

    pub fn fill_rows<'a>(&mut self, row: impl Fn(usize) -> &'a [f32]) {
        let (depth, columns) = (self.depth, self.columns);
        for (first, width) in self.panels() {
            let used = width.min(columns.saturating_sub(first));
            let panel = &mut self.data.as_mut_slice()[first * depth..][..width * depth];
            // Clears the whole panel: one call per row for the padding would take longer.
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
