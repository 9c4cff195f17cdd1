//! The strongest words of a heat map as bars: the length of a bar is not distorted by the length of
//! its word, as a coloured area is.

use maud::{Markup, html};

use super::super::colour::Shade;
use super::super::heat::{Heat, Piece};
use super::super::sheet;

/// Number of bars.
const SHOWN: usize = 5;
/// Width of the longest bar and height of all, in pixels.
const WIDTH: f64 = 220.;
const HEIGHT: usize = 12;

/// Renders a table of the strongest pieces; nothing if all scores are zero.
pub fn part(heat: &Heat<'_>) -> Markup {
    let mut pieces: Vec<&Piece<'_>> = heat.pieces.iter().filter(|one| one.score != 0.).collect();
    pieces.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    pieces.truncate(SHOWN);
    html! {
        @if !pieces.is_empty() {
            table.xp-bars {
                caption.xp-num { "Strongest " (heat.name()) }
                tbody { @for piece in pieces { (row(heat, piece)) } }
            }
        }
    }
}

fn row(heat: &Heat<'_>, piece: &Piece<'_>) -> Markup {
    let shade = heat.scale.shade(piece.score);
    let full = sheet::class(Shade { depth: 1., ..shade });
    html! {
        tr {
            th scope="row" { bdi { (piece.text) } }
            td {
                svg width=(WIDTH) height=(HEIGHT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
                    rect class=(full) x="0" y="0" width=(format!("{:.1}", WIDTH * shade.depth)) height=(HEIGHT) {}
                }
            }
            td.xp-n { (heat.scale.number(piece.score)) }
        }
    }
}
