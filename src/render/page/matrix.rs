//! Heat maps of token-by-token matrices.

use maud::{Markup, html};

use super::super::clean::clean;
use super::super::columns::{fitted, width};
use super::super::heat::Scale;
use super::super::sheet;

/// A matrix over the tokens of one text and those of another or the same text.
pub struct Matrix<'a> {
    pub rows: &'a [String],
    pub columns: &'a [String],
    /// Row-major.
    pub values: &'a [f64],
    pub scale: Scale,
    pub size: Size,
}

/// Sizes in pixels.
#[derive(Clone, Copy)]
pub struct Size {
    /// Side of a cell.
    cell: usize,
    /// Font size of the labels.
    font: usize,
    /// Maximum width of a column of label text.
    character: usize,
}

impl Size {
    /// Returns the sizes for the given number of matrices.
    pub fn of(matrices: usize) -> Self {
        match matrices {
            0..=1 => Self { cell: 24, font: 14, character: 9 },
            2..=4 => Self { cell: 20, font: 13, character: 8 },
            _ => Self { cell: 15, font: 11, character: 7 },
        }
    }

    /// Returns the space that the labels of an axis take.
    fn margin(self, labels: &[String]) -> usize {
        labels.iter().map(|label| width(label)).max().unwrap_or_default() * self.character + 8
    }

    /// Returns the distance from a cell's edge to the baseline of its label.
    fn baseline(self) -> usize {
        (self.cell + self.font) / 2 - 2
    }
}

/// Maximum columns of a label.
const LABEL: usize = 14;

/// Returns axis labels for the texts of tokens.
pub fn labels<'a>(tokens: impl Iterator<Item = &'a str>) -> Vec<String> {
    tokens.map(|text| fitted(&clean(text), LABEL)).collect()
}

/// Renders the matrix as an SVG with the accessible name `name`.
pub fn svg(matrix: &Matrix<'_>, name: &str) -> Markup {
    let (size, cell) = (matrix.size, matrix.size.cell);
    let (left, top) = (size.margin(matrix.rows), size.margin(matrix.columns));
    let (width, height) = (left + matrix.columns.len() * cell, top + matrix.rows.len() * cell);
    html! {
        svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}"))
            font-size=(size.font) role="img" aria-label=(name) {
            @for (row, label) in matrix.rows.iter().enumerate() {
                @let y = top + row * cell + size.baseline();
                text.xp-ink x=(left - 4) y=(y) text-anchor="end" { (label) }
            }
            @for (column, label) in matrix.columns.iter().enumerate() {
                @let (x, y) = (left + column * cell + size.baseline(), top - 4);
                text.xp-ink x=(x) y=(y) transform=(format!("rotate(-90 {x} {y})")) { (label) }
            }
            @for (row, (label, values)) in lines(matrix).enumerate() {
                @for (column, (other, &value)) in matrix.columns.iter().zip(values).enumerate() {
                    rect class=(sheet::class(matrix.scale.shade(value)))
                        x=(left + column * cell) y=(top + row * cell)
                        width=(cell - 1) height=(cell - 1) {
                        title { (label) " → " (other) ": " (matrix.scale.number(value)) }
                    }
                }
            }
        }
    }
}

/// Iterates over the rows with their labels.
fn lines<'a>(matrix: &'a Matrix<'_>) -> impl Iterator<Item = (&'a String, &'a [f64])> {
    matrix.rows.iter().zip(matrix.values.chunks(matrix.columns.len().max(1)))
}

/// Lists the largest cell of each row in words, for screen readers.
pub fn strongest(matrix: &Matrix<'_>) -> String {
    let line = |(label, values): (&String, &[f64])| {
        let cells = matrix.columns.iter().zip(values);
        let (column, &value) = cells.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        Some(format!("{label} to {column} {}", matrix.scale.number(value)))
    };
    lines(matrix).filter_map(line).collect::<Vec<_>>().join("; ")
}
