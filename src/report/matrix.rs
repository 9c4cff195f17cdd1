//! A plot of a matrix of numbers.

use maud::html;

use super::svg::{LEFT, TOP, frame};

/// Pixels: the size of a cell, and the height for the names of the columns.
const CELL: f64 = 44.;
const NAMES: f64 = 120.;

/// Draws a number in each cell, `values[rows][columns]`: blue for `-most`, white for 0, orange for
/// `most`.
pub fn matrix(
    title: &str,
    rows: &[String],
    columns: &[String],
    values: &[Vec<Option<f64>>],
    most: f64,
) -> String {
    let top = TOP + NAMES;
    let body = html! {
        @for (column, name) in columns.iter().enumerate() {
            @let center = LEFT + CELL * (column as f64 + 0.5);
            text x=(center) y=(top - 8.) transform={ "rotate(-50 " (center) " " (top - 8.) ")" } {
                (name)
            }
        }
        @for (index, (name, row)) in rows.iter().zip(values).enumerate() {
            @let y = top + CELL * index as f64;
            text x=(LEFT - 8.) y=(y + CELL / 2. + 4.) text-anchor="end" { (name) }
            @for (column, value) in row.iter().enumerate() {
                @let x = LEFT + CELL * column as f64;
                rect x=(x) y=(y) width=(CELL) height=(CELL) stroke="#fff"
                    fill=(shade(value.unwrap_or_default() / most)) {}
                text x=(x + CELL / 2.) y=(y + CELL / 2. + 4.) text-anchor="middle" {
                    @match value { Some(value) => { (format!("{value:.2}")) }, None => { "-" } }
                }
            }
        }
    };
    let width = LEFT + CELL * columns.len() as f64 + 110.;
    frame(title, width, top + CELL * rows.len() as f64 + 16., &body)
}

fn shade(share: f64) -> String {
    let full = if share < 0. { [120., 175., 235.] } else { [240., 165., 80.] };
    let depth = share.abs().min(1.);
    let channel = |full: f64| (255. + (full - 255.) * depth).round() as u8;
    format!("#{:02x}{:02x}{:02x}", channel(full[0]), channel(full[1]), channel(full[2]))
}
