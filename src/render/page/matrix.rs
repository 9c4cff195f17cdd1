//! A matrix of numbers between tokens, as a heat map.

use maud::{Markup, html};

use super::super::clean::clean;
use super::super::columns::{fitted, width};
use super::super::heat::Scale;
use super::super::sheet;

/// Numbers between the tokens of one text and those of another, or the same.
pub struct Matrix<'a> {
    pub rows: &'a [String],
    pub columns: &'a [String],
    /// Row by row.
    pub values: &'a [f64],
    pub scale: Scale,
    pub size: Size,
}

/// How large a matrix is drawn, in pixels.
#[derive(Clone, Copy)]
pub struct Size {
    /// Of a cell's side.
    cell: usize,
    /// Of the font of the labels.
    font: usize,
    /// That a character of it takes at the most.
    character: usize,
}

impl Size {
    /// For so many matrices side by side.
    pub fn of(matrices: usize) -> Self {
        match matrices {
            0..=4 => Self { cell: 15, font: 11, character: 7 },
            _ => Self { cell: 10, font: 8, character: 5 },
        }
    }

    /// What the labels of an axis take.
    fn margin(self, labels: &[String]) -> usize {
        labels.iter().map(|label| width(label)).max().unwrap_or_default() * self.character + 8
    }

    /// From a cell's edge to the foot of its label.
    fn foot(self) -> usize {
        (self.cell + self.font) / 2 - 2
    }
}

/// Columns of the longest label.
const LABEL: usize = 14;

/// The texts of tokens as they stand on an axis.
pub fn labels<'a>(tokens: impl Iterator<Item = &'a str>) -> Vec<String> {
    tokens.map(|text| fitted(&clean(text), LABEL)).collect()
}

/// The matrix as a picture named `name`.
pub fn svg(matrix: &Matrix<'_>, name: &str) -> Markup {
    let (size, cell) = (matrix.size, matrix.size.cell);
    let (left, top) = (size.margin(matrix.rows), size.margin(matrix.columns));
    let (wide, high) = (left + matrix.columns.len() * cell, top + matrix.rows.len() * cell);
    html! {
        svg width=(wide) height=(high) viewBox=(format!("0 0 {wide} {high}"))
            font-size=(size.font) role="img" aria-label=(name) {
            @for (row, label) in matrix.rows.iter().enumerate() {
                @let y = top + row * cell + size.foot();
                text.xp-ink x=(left - 4) y=(y) text-anchor="end" { (label) }
            }
            @for (column, label) in matrix.columns.iter().enumerate() {
                @let (x, y) = (left + column * cell + size.foot(), top - 4);
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

/// The rows with their labels.
fn lines<'a>(matrix: &'a Matrix<'_>) -> impl Iterator<Item = (&'a String, &'a [f64])> {
    matrix.rows.iter().zip(matrix.values.chunks(matrix.columns.len().max(1)))
}

/// The most that each row has, in words: what the picture shows, for those who
/// hear the page.
pub fn strongest(matrix: &Matrix<'_>) -> String {
    let line = |(label, values): (&String, &[f64])| {
        let cells = matrix.columns.iter().zip(values);
        let (column, &value) = cells.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        Some(format!("{label} to {column} {}", matrix.scale.number(value)))
    };
    lines(matrix).filter_map(line).collect::<Vec<_>>().join("; ")
}
